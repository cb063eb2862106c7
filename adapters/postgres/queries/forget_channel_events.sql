delete from channel_events where at < now() - interval '90 days'

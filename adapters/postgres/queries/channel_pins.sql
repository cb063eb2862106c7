select channel, weight, until, by from channel_pins where until is null or until > now()

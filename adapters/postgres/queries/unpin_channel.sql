delete from channel_pins where channel = $1

return require("kmirror.cli.control").command("resume", "resumed", "Let mirrors go on that are paused or stopped.", [[
Only on Kafka Connect of your own (--api connect). A mirror goes on
from the offsets that Kafka Connect has recorded: nothing is left out.

With --json: {"id", "resumed": true}; with several ids an array of them, in the
order asked for, where one that failed is
{"id", "resumed": false, "error": {"kind", "message", ...}}.]])

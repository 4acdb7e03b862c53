return require("kmirror.cli.control").command("resume", "resumed", "Let mirrors go on that are paused or stopped.", [[
Only with Kafka Connect of one's own (--api connect). A mirror goes on where it
was: nothing is copied twice, nothing is left out.

With --json: {"id", "resumed": true}; with several ids an array of them, in the
order asked for, where one that failed is
{"id", "resumed": false, "error": {"kind", "message", ...}}.]])

return require("kmirror.cli.control").command("stop", "stopped", "Stop mirrors: their tasks end, until resume.", [[
Only on Kafka Connect of your own (--api connect). As pause, but its tasks
end, and from where it copies can be set. For several it asks for confirmation
on a terminal; without one it needs --yes.

With --json: {"id", "stopped": true}; with several ids an array of them, in the
order asked for, where one that failed is
{"id", "stopped": false, "error": {"kind", "message", ...}}.]], true)

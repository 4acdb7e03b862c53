return require("kmirror.cli.control").command("pause", "paused", "Pause mirrors: nothing is copied until resume.", [[
Only on Kafka Connect of your own (--api connect). It ends when nothing is
copied any more. The tasks stay where they are, so that it goes on quickly. For
several it asks for confirmation on a terminal; without one it needs --yes.

With --json: {"id", "paused": true}; with several ids an array of them, in the
order asked for, where one that failed is
{"id", "paused": false, "error": {"kind", "message", ...}}.]], true)

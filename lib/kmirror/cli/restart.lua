return require("kmirror.cli.control").command("restart", "restarted", "Restart what has failed of mirrors.", [[
Only on Kafka Connect of your own (--api connect). Connectors and tasks that
have failed are started again; why each had failed is told. Others go on.

With --json: {"id", "restarted": true, "causes": [...]}; with several ids an
array of them, in the order asked for, where one that failed is
{"id", "restarted": false, "error": {"kind", "message", ...}}.]])

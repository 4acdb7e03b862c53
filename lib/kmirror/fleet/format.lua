--- fleet.format: what a fleet file looks like, as `kmirror help fleet` and the manual page have it.

return [[
A fleet file says which mirrors there should be: kmirror plan FILE compares it
with the clusters, kmirror apply FILE makes the changes. It is a Lua file that
returns a table, a JSON object of the same shape, or CSV; its name ends in .lua,
.json or .csv.

  return {
    clusters = {
      west = { kafka = "UUID", alias = "us-west" },
      east = { connect = "UUID", kafka = "UUID", alias = "us-east" },
      dc1 = { sourceConnectionPropertiesFile = "dc1.properties" },
    },
    defaults = { to = "east", useRenaming = false, maxTasks = 3 },
    mirrors = {
      { from = "west", topicsRegex = "orders\\..*", targetLatency = 30000 },
      { from = "dc1", topicsRegex = "legacy-.*", useRenaming = true },
    },
  }

clusters, by name; those of the profile need not be named again:
  connect  UUID of the Kafka Connect cluster; needed where mirrors go into it
  kafka    UUID of the Kafka cluster; needed where mirrors come from it
  alias    what mirrors call it; default: its name
A source outside of the account has connection properties instead of kafka: in a
file, so that no password is in the fleet file (sourceConnectionPropertiesFile,
relative to the fleet file), in an environment variable
(sourceConnectionPropertiesEnv), printed by a command such as "pass show dc1",
which sh runs once where the fleet file is (sourceConnectionPropertiesCommand:
so look at a fleet file that others wrote), or as text
(sourceConnectionProperties).

defaults, for mirrors that do not say: from, to, useRenaming, usePrivateIps,
maxTasks, targetLatency.

mirrors, a list:
  to             name of a cluster, or UUID of a Kafka Connect cluster
  from           name of a cluster; or, instead of it, sourceAlias with
                 kafkaSource or connection properties
  topicsRegex    a regular expression, or a list of topics
  targetLatency  in ms; without it, the mirror's own is left as it is
  useRenaming, usePrivateIps, maxTasks, sourceType   as the API has them

CSV: the first line names the fields of the mirrors; commas, semicolons, tabs or
| are between the cells, as in that line. The clusters are those of the profile,
or given by UUID. An empty cell is a field that is not there. An apostrophe
before a text that begins with = + - @, a tab or a line end is removed; kmirror
writes it so that no spreadsheet reads the text as a formula.

kmirror export writes such a file of the mirrors that are there; connection
properties, which are secret, it leaves to a file that it names.

A mirror is identified by its cluster, its source's alias and its topics regex.
Of an existing mirror, only the target latency can be changed. Version 2 of the
API tells the rest, too, and what differs is shown, and it tells mirrors apart
that differ in source or useRenaming alone; version 1 does not. Fields that only
a create needs may be missing for a mirror that exists.]]

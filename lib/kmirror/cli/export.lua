local connect = require("kmirror.connect")
local csv = require("kmirror.csv")
local fleet = require("kmirror.fleet")
local log = require("kmirror.log")
local selection = require("kmirror.selection")
local text = require("kmirror.text")

-- Those of --in; the one of --cluster; those that the profile names.
local function clusters_of(given)
    local clusters = {}
    local named = #given.from_clusters > 0 and given.from_clusters or { given.cluster }
    for i, api in ipairs(selection.apis({ clusters = named }, true)) do
        clusters[i] = api.cluster
    end
    return clusters
end

local function tell(notes, summary)
    for _, note in ipairs(notes) do log.warn("%s", note) end
    if not summary.whole then
        log.warn("version 1 of the API does not tell useRenaming, maxTasks, usePrivateIps and sources: without them a "
            .. "mirror of this file cannot be created; --api v2 tells them")
    end
    log.info("%s exported%s", text.count(summary.mirrors, "mirror"),
        summary.left_out > 0 and (", %d left out"):format(summary.left_out) or "")
end

---@type kmirror.command
return {
    name = "export",
    summary = "Write a fleet file of the mirrors that are there.",
    details = [[
Writes it to stdout: a file of which kmirror plan finds nothing to do; in Lua,
or as --output says, in JSON or CSV. The clusters are those of --in, or the one
of --cluster, or all that the profile names; else that of KMIRROR_CLUSTER.

Connection properties are secret: the file names a file beside it where to put
them. Version 1 of the API does not tell all of a mirror: what is not known is
marked, and needed only to create the mirror anew; see --api v2.

Exit status: 0; 3 when mirrors are left out, as one of the same kind is in the
file, or as their source is not known: they are named on stderr.

  kmirror export --api v2 > fleet.lua
  kmirror plan fleet.lua]],
    sets = { "connection", "times", "formats", "messages" },

    define = function(parser)
        parser:option("--in", "This Kafka Connect cluster; all: each that the profile names.")
            :argname("UUID|NAME|all"):count("*"):target("from_clusters")
    end,

    run = function(given)
        local api = connect(true)
        local content, notes, summary = fleet.export(api, clusters_of(given), given.output or "lua")
        io.stdout:write(csv.shown(io.stdout, content))
        tell(notes, summary)
        return summary.left_out > 0 and 3 or 0
    end,
}

-- How many mirrors there are in each status, on every cluster that the profile names. Changes nothing.
--   kmirror run --sandbox scripts/cookbook/status_count.lua

local bulk = require("kmirror.bulk")
local selection = require("kmirror.selection")
local tables = require("kmirror.table")

local count, rows = {}, {}
for _, mirror in ipairs(bulk.details(selection.apis({ clusters = { "all" } }))) do
    local key = selection.cluster_name(mirror.cluster) .. " " .. mirror.status
    count[key] = (count[key] or 0) + 1
end
for key, mirrors in pairs(count) do
    local cluster, status = key:match("^(%S+) (%S+)$")
    rows[#rows + 1] = { cluster = cluster, status = status, mirrors = mirrors }
end
table.sort(rows, function(a, b)
    return a.cluster .. a.status < b.cluster .. b.status
end)
tables.show(io.stdout, {
    { "CLUSTER", "cluster" },
    { "STATUS", "status", paint = tables.status_color },
    { "MIRRORS", "mirrors", align = "right" },
}, rows)

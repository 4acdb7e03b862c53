-- Tells another system how many mirrors are in each status: posts JSON to the URL that the variable TELL_URL holds;
-- without one, prints it. Changes nothing.
--   kmirror run --sandbox scripts/cookbook/tell.lua

local bulk = require("kmirror.bulk")
local http = require("kmirror.http")
local json = require("kmirror.json")
local mirrors = require("mirrors")
local api = mirrors.connect {}

local counts = {}
for _, mirror in ipairs(bulk.details(api)) do
    counts[mirror.status] = (counts[mirror.status] or 0) + 1
end

local url = os.getenv("TELL_URL")
if url then
    http.post(mirrors.secret(url), { cluster = api.cluster, mirrors = counts }, { timeout = 10 })
else
    print(json.encode(counts))
end

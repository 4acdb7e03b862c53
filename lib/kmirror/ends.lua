--- ends: where the source's topics of mirrors ended when that was last asked. When a source is lost, nothing else tells
--- how many records went with it. `kmirror lag`, `watch` and failovers note it down, for each Kafka Connect cluster in
--- a file of the state directory; where that cannot be written, nothing is known later, and nothing else fails.

local fields = require("mirrors").fields
local host = require("host")
local json = require("kmirror.json")
local log = require("kmirror.log")
local memory = require("kmirror.memory")
local state = require("kmirror.state")

local M = {}

local keep <const> = 7 * 86400 -- seconds for which ends are worth something

---@class kmirror.ends.seen of a mirror
---@field time number seconds since the epoch
---@field partitions table<string, kmirror.ends.place> by "topic:partition"; none of MirrorMaker's own heartbeats, which
---  nobody misses

---@class kmirror.ends.place
---@field ending integer
---@field left? integer
---@field copied? integer offset of the last record that was
---@field since? number since when records are left and none was copied

local function path_of(cluster)
    local directory, problem = state.directory()
    if not directory then return nil, problem end
    return ("%s/ends-%s.json"):format(directory, host.hmac_sha256("ends", memory.endpoint() .. "\n" .. cluster)
        :sub(1, 16))
end

local function load(path)
    local ok, all = pcall(json.read, path)
    return ok and type(all) == "table" and all or {}
end

local function partitions_of(told)
    local found = {}
    for _, topic in ipairs(told.topics) do
        for _, each in ipairs(topic.partitions) do
            if each.endOffset and not topic.heartbeats then
                found[("%s:%d"):format(topic.name, each.partition)] = { ending = each.endOffset,
                    left = each.recordsLeft, copied = each.replicatedOffset, since = each.leftSince }
            end
        end
    end
    return found
end

--- Notes down what api:lag() has told of mirrors of a cluster.
---@param cluster string
---@param told mirrors.Lag[] with the ids of their mirrors
function M.note(cluster, told)
    local path, problem = path_of(cluster)
    local now, all = host.time(), path and load(path) or {}
    for id, seen in pairs(all) do
        if now - (tonumber(seen.time) or 0) > keep then all[id] = nil end
    end
    for _, each in ipairs(told) do
        all[each.id] = { time = now, partitions = partitions_of(each) }
    end
    local written, why = path ~= nil, problem
    if path and next(all) then written, why = pcall(json.write, path, all) end
    if not written then log.debug("where topics end is not noted down: %s", tostring(why)) end
end

--- What was last noted down of the mirrors of a cluster.
---@param cluster string
---@return table<string, kmirror.ends.seen> by id
function M.known(cluster)
    local path = path_of(cluster)
    return path and load(path) or {}
end

--- What was last noted down of records that are left and of which none is copied, as mirrors.recall() takes it.
---@param cluster string
---@return table<string, table<string, { offset: integer, since: number }>>
function M.left(cluster)
    local found = {}
    for id, seen in pairs(M.known(cluster)) do
        local places = {}
        for place, each in pairs(seen.partitions) do
            local topic, partition = place:match("^(.*):(%d+)$")
            if topic and each.since then
                places[("%s-%d"):format(topic, partition)] = { since = each.since,
                    offset = math.tointeger(each.copied) or -1 }
            end
        end
        found[id:lower()] = places
    end
    return found
end

--- Forgets since when that is so: mirrors that were told to stand still, or to go on, have a right to it.
---@param cluster string
---@param ids string[]
function M.forgive(cluster, ids)
    local path = path_of(cluster)
    local all, is_known = path and load(path) or {}, false
    for _, id in ipairs(ids) do
        for _, each in pairs(all[id] and all[id].partitions or {}) do
            is_known, each.since = is_known or each.since ~= nil, nil
        end
    end
    if is_known then pcall(json.write, path, all) end
end

--- How many records of a source's topics have not been copied, of those that were there when their ends were seen.
---@param seen kmirror.ends.seen
---@param offsets mirrors.Offset[] what the mirror has copied
---@return integer
function M.missing(seen, offsets)
    local copied, sum = {}, 0
    for _, each in ipairs(offsets) do
        copied[("%s:%d"):format(each.topic, each.partition)] = each.offset
    end
    for place, each in pairs(seen.partitions) do
        local last = copied[place]
        local behind = last and math.max(0, each.ending - last - 1) -- or less, of what is written in transactions
        sum = sum + math.min(behind or each.left or 0, each.left or math.huge)
    end
    return sum
end

-- ---- what the arguments may be --------------------------------------------------------------------------

return fields.guard("ends", M, {
    note = { "cluster", fields.text, "told", fields.list(fields.table) },
    known = { "cluster", fields.text },
    left = { "cluster", fields.text },
    forgive = { "cluster", fields.text, "ids", fields.list(fields.text) },
    missing = { "seen", fields.table, "offsets", fields.list(fields.table) },
})

--- fleet.overlaps: mirrors that take the same topics: of one source twice, or there and back.

local regex = require("kmirror.regex")

local M = {}

---@class kmirror.fleet.taker a mirror that is wanted, or that is there and stays
---@field topicsRegex string
---@field line? integer where the file has it
---@field is_new? boolean

---@class kmirror.fleet.overlap
---@field first kmirror.fleet.taker
---@field second kmirror.fleet.taker one of them is new
---@field topic string that both take; when none is known, one that is made up

local function overlaps_of(takers, topics)
    local regexes = {}
    for i, taker in ipairs(takers) do
        regexes[i] = taker.topicsRegex
    end
    return regex.overlaps(regexes, topics, function(i)
        return takers[i].is_new or false
    end)
end

-- Only what can be tried out.
local function usable(takers)
    local list = {}
    for _, taker in ipairs(takers) do
        list[#list + 1] = not regex.problem(taker.topicsRegex) and taker or nil
    end
    return list
end

--- Which mirrors of one source take the same topics, if one of them is new: by the topics that are known, else by the
--- text of the regexes.
---@param takers kmirror.fleet.taker[]
---@param topics string[] those that are known
---@return kmirror.fleet.overlap[]
---Raises `invalid` when PCRE2 is not installed.
function M.of(takers, topics)
    local list, found, seen = usable(takers), {}, {}
    for _, known in ipairs({ topics, false }) do
        for _, pair in ipairs(overlaps_of(list, known or nil)) do
            local key = pair.first .. " " .. pair.second
            if not seen[key] then
                seen[key] = true
                local first, second = list[pair.first], list[pair.second]
                found[#found + 1] = { first = first, second = second, topic = pair.topics[1] }
            end
        end
    end
    return found
end

-- A topic that both take; nil when there seems to be none.
local function common_topic(a, b)
    if a.topicsRegex == b.topicsRegex then
        return a.topicsRegex
    end
    local could, found = pcall(regex.overlaps, { a.topicsRegex, b.topicsRegex })
    return could and found[1] and found[1].topics[1] or nil
end

-- Which Kafka cluster is beside which Kafka Connect cluster.
local function kafka_beside(clusters)
    local kafka_of = {}
    for _, cluster in pairs(clusters) do
        if cluster.connect and cluster.kafka then
            kafka_of[cluster.connect] = cluster.kafka:lower()
        end
    end
    return kafka_of
end

-- The mirrors that keep the topics' names, by "source target".
local function by_direction(mirrors, kafka_of)
    local directions = {}
    for _, mirror in ipairs(mirrors) do
        local target = kafka_of[mirror.cluster]
        if mirror.useRenaming == false and mirror.kafkaSource and target then
            local source = mirror.kafkaSource:lower()
            local key = source .. " " .. target
            directions[key] = directions[key] or { back = target .. " " .. source }
            table.insert(directions[key], mirror)
        end
    end
    return directions
end

--- Complains of new mirrors that would carry topics round in a loop: there and back, and the names stay the same.
---@param fleet kmirror.fleet
---@param mirrors kmirror.fleet.wanted[]
---@param is_new table<kmirror.fleet.wanted, boolean>
function M.refuse_loops(fleet, mirrors, is_new)
    local directions = by_direction(mirrors, kafka_beside(fleet.clusters))
    for _, there in pairs(directions) do
        for _, a in ipairs(there) do
            for _, b in ipairs(directions[there.back] or {}) do
                local topic = a.index > b.index and (is_new[a] or is_new[b]) and common_topic(a, b)
                if topic then
                    fleet.document:complain(a.line, "with the mirror in line %d, '%s' would go round in a loop; set "
                        .. "useRenaming, or keep one of them", b.line, topic)
                end
            end
        end
    end
end

return M

-- connect_stuck: since when a partition has records left of which none is copied, as far as anybody has looked where
-- its topic ends: that takes a Kafka client, so a plain get goes by what lag has found before.

local stuck = {}

-- Seconds. A worker records what was copied each minute by default, and may take five seconds for that.
local AFTER <const> = 65

---@alias connect_stuck.known table<string, { offset: integer, since: number }>  by "topic-partition": the last record
---copied (-1: none yet) when others were first seen to be left behind it, and when that was, since the epoch

---Takes down what was just found, and adds `leftSince` to it.
---@param known connect_stuck.known
---@param told mirrors.Lag
---@param now number
function stuck.note(known, told, now)
    for _, topic in ipairs(told.topics) do
        for _, each in ipairs(topic.heartbeats and {} or topic.partitions) do
            local place, offset = ("%s-%d"):format(topic.name, each.partition), each.replicatedOffset or -1
            if (each.recordsLeft or 0) == 0 then
                known[place] = nil
            elseif not known[place] or known[place].offset ~= offset then
                known[place] = { offset = offset, since = now }
            end
            each.leftSince = known[place] and known[place].since
        end
    end
end

---The topic of which no record was copied for too long, and since when; nil when there is none.
---@param known connect_stuck.known
---@param topics string[]  that tasks are at work on
---@param replicated table<string, integer>  offsets by "topic-partition", now
---@param now number
---@return { topic: string, since: number }?
function stuck.of(known, topics, replicated, now)
    local assigned, found = {}, nil
    for _, topic in ipairs(topics) do assigned[topic] = true end
    for place, each in pairs(known) do
        local topic = place:match("^(.*)%-%d+$")
        if assigned[topic] and (replicated[place] or -1) == each.offset and now - each.since >= AFTER
            and not (found and found.since < each.since) then
            found = { topic = topic, since = each.since }
        end
    end
    return found
end

return stuck

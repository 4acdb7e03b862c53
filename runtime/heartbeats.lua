-- heartbeats: which topics are MirrorMaker's own. A MirrorHeartbeatConnector writes a record a second to the topic
-- `heartbeats`, for ever, whether anybody else writes or not; and each mirror carries that on, whatever its topics
-- regex says. So nothing that waits for silence, for no records left or for no topic may count it.
--
-- Its source is Apache Kafka's connect/mirror: MirrorSourceConnector.shouldReplicateTopic() takes what its topic filter
-- takes, and what ReplicationPolicy.isHeartbeatsTopic() does: `heartbeats`, with any number of aliases before it, a dot
-- behind each. IdentityReplicationPolicy has the same rule; and though it keeps the names of topics, it puts the alias
-- before all that end in "heartbeats", a user's too.
--
-- By that rule a user's `team.heartbeats` is one, too. So it is asked with the aliases of known clusters: were a user's
-- topic taken for MirrorMaker's, nobody would wait for its records, and that is worse than to wait in vain.

local heartbeats = {}

local NAME <const> = "heartbeats"

-- What is behind one of the aliases, and a dot; nil when none is before it.
local function upstream(topic, aliases)
    for _, alias in ipairs(aliases) do
        if topic:sub(1, #alias + 1) == alias .. "." then return topic:sub(#alias + 2) end
    end
end

---Whether a topic is MirrorMaker's own heartbeats topic, in the source or the target of a mirror.
---@param topic string
---@param aliases? string[]  of clusters that are known; without, whatever is before it counts, as to MirrorMaker
---@return boolean
function heartbeats.is(topic, aliases)
    if topic:sub(-#NAME) ~= NAME then return false end
    if not aliases then return topic == NAME or topic:sub(-#NAME - 1, -#NAME - 1) == "." end
    local rest = topic
    while rest and rest ~= NAME do rest = upstream(rest, aliases) end
    return rest == NAME
end

---Whether MirrorMaker puts the alias of the source before a topic even where names are kept.
---@param topic string
---@return boolean
function heartbeats.is_renamed(topic)
    return topic:sub(-#NAME) == NAME
end

return heartbeats

-- operations: all that is the same of an operation wherever it is sent to. How it goes over the wire is said by a file
-- for each backend, such as v1.lua. Whoever counts, names, records or draws operations reads this table.
--
-- The methods of the API object stand here, too. error.c wants the table alone.
local Api, perform = ...

---@class mirrors.Api
Api = Api or {}

---@class mirrors.Operation
---@field name string           the method of the API object, and what errors, journals and reports call it
---@field title string          what is tried, in messages: before the mirror's id, where it takes one
---@field takes_id boolean
---@field argument? string      what its other argument is called: the field of a change that holds it
---@field effect "reads"|"makes"|"alters"|"removes"  what it does to the mirror
---@field noun? string          of a change, in counts: "3 creates", "1 latency update"
---@field column? string        of a change: its count in a table of jobs
---@field fields? fun(argument: any): table<string, any>     of a change: its argument, field by field
---@field from? fun(fields: table<string, any>): any         of a change: its argument again
---@field after? fun(argument: any): table<string, any>      of a change: what the mirror's fields are then
---@field sentence? fun(change: mirrors.Change): string      of a change: what it does, in words
---@field missing? string       of one that not every backend has: why the vendor's API cannot do it

-- Of a change that takes nothing but the mirror.
local function plainly(what)
    return function(change) return ("%s mirror %s on cluster %s"):format(what, change.id, change.cluster) end
end

local NO_STATE <const> = "the vendor's API has no request that pauses or starts connectors"

-- Offsets as one text, as journals compare it: "orders:0=41 orders:1=7".
local function offsets_text(offsets)
    local words = {}
    for i, each in ipairs(offsets) do
        words[i] = ("%s:%d=%d"):format(each.topic, each.partition, each.offset)
    end
    table.sort(words)
    return table.concat(words, " ")
end

local function offsets_of(text)
    local offsets = {}
    for topic, partition, offset in text:gmatch("(%S+):(%d+)=(%d+)") do
        offsets[#offsets + 1] = { topic = topic, partition = math.tointeger(tonumber(partition)),
            offset = math.tointeger(tonumber(offset)) }
    end
    return offsets
end

---@type table<integer|string, mirrors.Operation>
local operations = {
    {
        name = "list", title = "list mirrors", takes_id = false, effect = "reads",
    },
    {
        name = "get", title = "get mirror", takes_id = true, effect = "reads",
    },
    {
        name = "create", title = "create a mirror", takes_id = false, argument = "spec", effect = "makes",
        noun = "create", column = "creates",
        fields = function(spec) return spec end,
        from = function(fields) return fields end,
        after = function(spec) return spec end,
        sentence = function(change)
            return ("create a mirror of '%s' from %s on cluster %s"):format(change.spec.topicsRegex,
                change.spec.sourceAlias, change.cluster)
        end,
    },
    {
        name = "update_target_latency", title = "update the target latency of mirror", takes_id = true,
        argument = "newTargetLatency", effect = "alters", noun = "latency update", column = "updates",
        fields = function(ms) return { newTargetLatency = ms } end,
        from = function(fields) return fields.newTargetLatency end,
        after = function(ms) return { targetLatency = ms } end,
        sentence = function(change)
            return ("set the target latency of mirror %s on cluster %s to %d ms"):format(change.id, change.cluster,
                change.newTargetLatency)
        end,
    },
    {
        name = "delete", title = "delete mirror", takes_id = true, effect = "removes",
        noun = "delete", column = "deletes",
        sentence = function(change)
            return ("delete mirror %s on cluster %s"):format(change.id, change.cluster)
        end,
    },
    {
        name = "lag", title = "tell the lag of mirror", takes_id = true, effect = "reads",
        missing = "the vendor's API tells how late records are, not how many are left",
    },
    {
        name = "groups", title = "tell the consumer groups of mirror", takes_id = true, effect = "reads",
        missing = "the vendor's API does not tell consumer groups",
    },
    {
        name = "offsets", title = "tell the offsets of mirror", takes_id = true, effect = "reads",
        missing = "the vendor's API does not tell offsets",
    },
    {
        name = "target_ends", title = "tell where the topics end that are written by mirror", takes_id = true,
        effect = "reads", missing = "the vendor's API does not tell offsets",
    },
    {
        name = "pause", title = "pause mirror", takes_id = true, effect = "alters", noun = "pause",
        sentence = plainly("pause"), missing = NO_STATE,
    },
    {
        name = "resume", title = "resume mirror", takes_id = true, effect = "alters", noun = "resume",
        sentence = plainly("resume"), missing = NO_STATE,
    },
    {
        name = "stop", title = "stop mirror", takes_id = true, effect = "alters", noun = "stop",
        sentence = plainly("stop"), missing = NO_STATE,
    },
    {
        name = "restart", title = "restart what failed of mirror", takes_id = true, effect = "alters",
        noun = "restart", sentence = plainly("restart what failed of"), missing = NO_STATE,
    },
    {
        name = "set_topics", title = "set the topics of mirror", takes_id = true, argument = "topicsRegex",
        effect = "alters", noun = "topics update",
        fields = function(regex) return { topicsRegex = regex } end,
        from = function(fields) return fields.topicsRegex end,
        after = function(regex) return { topicsRegex = regex } end,
        sentence = function(change)
            return ("set the topics of mirror %s on cluster %s to '%s'"):format(change.id, change.cluster,
                change.topicsRegex)
        end,
        missing = "with the vendor's API only the target latency of a mirror can be changed: create a new one, then "
            .. "delete the old one (kmirror run rollout)",
    },
    {
        name = "set_offsets", title = "set the offsets of mirror", takes_id = true, argument = "offsets",
        effect = "alters", noun = "offsets update",
        fields = function(offsets) return { offsets = offsets_text(offsets) } end,
        from = function(fields) return offsets_of(fields.offsets) end,
        after = function() return {} end,
        sentence = function(change)
            return ("set the offsets of mirror %s on cluster %s, of %d partitions"):format(change.id, change.cluster,
                #change.offsets)
        end,
        missing = "the vendor's API does not take offsets: a new mirror copies all that its topics keep",
    },
}

for _, operation in ipairs(operations) do operations[operation.name] = operation end

---All mirrors of the cluster.
---@return mirrors.Summary[]
---Raises unauthorized, forbidden, not_found (no such Kafka Connect cluster), rate_limited, server, transport, tls,
---timeout, protocol, cancelled.
---@async
function Api:list()
    return perform(self, operations.list)
end

---One mirror.
---@param id string
---@return mirrors.Mirror
---Raises what list() raises; `invalid` for an empty id.
---@async
function Api:get(id)
    return perform(self, operations.get, id)
end

---Makes a mirror. The API sets it up after it has answered: its status is CREATING until then.
---@param spec mirrors.Spec
---@return string id  of the new mirror
---Raises what list() raises; `invalid` before anything is sent for a missing, unknown or wrong field; `read_only`;
---`unknown_outcome` when the answer was lost and it cannot be told whether the mirror was made.
---@async
function Api:create(spec)
    return perform(self, operations.create, nil, spec)
end

---Sets the latency above which the mirror counts as out of sync.
---@param id string  UUID
---@param ms integer  from 1000 to 2147483647
---Raises what list() raises; `invalid`, `read_only`.
---@async
function Api:update_target_latency(id, ms)
    perform(self, operations.update_target_latency, id, ms)
end

---Deletes a mirror: the API shuts down all its connectors and tasks.
---@param id string  UUID
---Raises what list() raises; `invalid`, `read_only`; `not_found` when it does not exist, unless an earlier attempt of
---this call may have deleted it.
---@async
function Api:delete(id)
    perform(self, operations.delete, id)
end

-- ---- what only some backends can: see api:can() ----

---How many records a mirror has still to copy, by topic and partition. Kafka Connect records what was copied now and
---then (each minute by default), so it is behind by as much. api:can "lag"; needs librdkafka on this machine.
---@param id string
---@return mirrors.Lag
---Raises what get() raises; `unsupported`, with why; `transport` when the source's Kafka cluster cannot be asked.
---@async
function Api:lag(id)
    return perform(self, operations.lag, id)
end

---Which consumer groups of the source have committed on a mirror's topics, whether their offsets have been carried over
---to the target, and how many records each would read again if it moved now. Groups that MirrorMaker leaves out by
---default (console-consumer-*, connect-*, __*) are left out here, too. api:can "groups"; needs librdkafka 2.0.
---@param id string
---@return mirrors.Groups
---Raises what lag() raises; `transport` also when the target's Kafka cluster cannot be asked.
---@async
function Api:groups(id)
    return perform(self, operations.groups, id)
end

---The last record of each partition that a mirror has copied. api:can "offsets".
---@param id string
---@return mirrors.Offset[]
---Raises what get() raises; `unsupported`.
---@async
function Api:offsets(id)
    return perform(self, operations.offsets, id)
end

---The last record of each partition that a mirror writes to, in its target: at these offsets one the other way starts
---that copies only what is written from now on. An empty partition has none. api:can "target_ends"; needs librdkafka.
---@param id string
---@return mirrors.Offset[]  topic: of the target
---Raises what lag() raises.
---@async
function Api:target_ends(id)
    return perform(self, operations.target_ends, id)
end

---Pauses a mirror: its tasks stay, and copy nothing until resume(). Returns when none is at work any more. api:can
---"pause".
---@param id string
---Raises what get() raises; `unsupported`, `read_only`.
---@async
function Api:pause(id)
    perform(self, operations.pause, id)
end

---Lets a mirror that was paused or stopped go on, from where it was. Its checkpoint connector is made again where it is
---missing. api:can "resume".
---@param id string
---Raises what get() raises; `unsupported`, `read_only`.
---@async
function Api:resume(id)
    perform(self, operations.resume, id)
end

---Stops a mirror: its tasks end, until resume(). Returns when they have, and all that they copied is recorded. Only
---then its offsets can be set. api:can "stop".
---@param id string
---Raises what get() raises; `unsupported`, `read_only`.
---@async
function Api:stop(id)
    perform(self, operations.stop, id)
end

---Restarts what has failed of a mirror: connectors and tasks. api:can "restart".
---@param id string
---@return string[] causes  why each of them had failed; none when nothing had
---Raises what get() raises; `unsupported`, `read_only`.
---@async
function Api:restart(id)
    return perform(self, operations.restart, id)
end

---Changes which topics a mirror copies, in place. Those that come in are copied from their beginning, or from where an
---earlier task of it was. api:can "set_topics".
---@param id string
---@param regex string
---Raises what get() raises; `unsupported`, `invalid`, `read_only`.
---@async
function Api:set_topics(id, regex)
    perform(self, operations.set_topics, id, regex)
end

---@class mirrors.Offset
---@field topic string       of the source
---@field partition integer
---@field offset integer     of the last record that counts as copied: the mirror goes on with the one behind it

---Says from where a mirror copies, which has to be stopped. api:can "set_offsets".
---@param id string
---@param offsets mirrors.Offset[]
---Raises what get() raises; `unsupported`, `invalid` (also when it is not stopped), `read_only`.
---@async
function Api:set_offsets(id, offsets)
    perform(self, operations.set_offsets, id, offsets)
end

return operations

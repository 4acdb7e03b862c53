-- operations: all that is the same of an operation wherever it is sent to. How it goes over the wire is said by a file
-- for each backend, such as v1.lua. Whoever counts, names, records or draws operations reads this table.
--
-- The methods of the API object stand here, too. error.c wants the table alone.
local Api, perform = ...
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
}

for _, operation in ipairs(operations) do operations[operation.name] = operation end

---All mirrors of the cluster.
---@return mirrors.Summary[]
---Raises unauthorized, forbidden, not_found (no such Kafka Connect cluster), rate_limited, server, transport, tls,
---timeout, protocol, cancelled.
function Api:list()
    return perform(self, operations.list)
end

---One mirror.
---@param id string
---@return mirrors.Mirror
---Raises what list() raises; `invalid` for an empty id.
function Api:get(id)
    return perform(self, operations.get, id)
end

---Makes a mirror. The API sets it up after it has answered: its status is CREATING until then.
---@param spec mirrors.Spec
---@return string id  of the new mirror
---Raises what list() raises; `invalid` before anything is sent for a missing, unknown or wrong field; `read_only`;
---`unknown_outcome` when the answer was lost and it cannot be told whether the mirror was made.
function Api:create(spec)
    return perform(self, operations.create, nil, spec)
end

---Sets the latency above which the mirror counts as out of sync.
---@param id string  UUID
---@param ms integer  from 1000 to 2147483647
---Raises what list() raises; `invalid`, `read_only`.
function Api:update_target_latency(id, ms)
    perform(self, operations.update_target_latency, id, ms)
end

---Deletes a mirror: the API shuts down all its connectors and tasks.
---@param id string  UUID
---Raises what list() raises; `invalid`, `read_only`; `not_found` when it does not exist, unless an earlier attempt of
---this call may have deleted it.
function Api:delete(id)
    perform(self, operations.delete, id)
end

return operations

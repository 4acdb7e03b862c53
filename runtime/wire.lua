-- wire: from an operation and how a backend sends it to a request with its path and body.
local native, fields = ...

-- "/a/{cluster}/b/{id}/c" as the texts around its two places.
local function split(path)
    local before, between, after = path:match("^(.-){cluster}(.-){id}(.*)$")
    if before then return before, between, after end
    return path:match("^(.-){cluster}(.*)$")
end

-- Sent as they are; all else is escaped, with small digits, as libcurl would make them in any case.
local function escaped(id)
    return (id:gsub("[^%w%-._~]", function(c) return ("%%%02x"):format(c:byte()) end))
end

---Makes what checks the arguments of an operation and prepares its request.
---@param operation mirrors.Operation
---@param wire mirrors.Wire
---@return fun(account: table, cluster: string, id?: string, argument?: any): userdata
return function(operation, wire)
    local before, between, after = split(wire.path)
    local id_kind = operation.takes_id and (wire.id or fields.any_id)
    local native_wire = native.wire { method = wire.method, success = wire.success, shape = wire.shape,
        value = wire.value, change = operation.effect ~= "reads" }
    local starts = setmetatable({}, { __mode = "k" }) -- of paths, by account and cluster: most calls are alike
    local function start_of(account, cluster)
        if cluster == nil then
            fields.invalid("no cluster was named: set KMIRROR_CLUSTER, give cluster to mirrors.connect{}, or use "
                .. "api:on(cluster)")
        end
        fields.check("cluster", fields.uuid, cluster)
        starts[account] = starts[account] or {}
        starts[account][cluster] = account.base .. before .. cluster .. between
        return starts[account][cluster]
    end
    return function(account, cluster, id, argument)
        local known = starts[account]
        local path = known and known[cluster] or start_of(account, cluster)
        if id_kind then
            if not native.is_uuid(id) then
                fields.check("id", id_kind, id)
                id = escaped(id)
            end
            path = path .. id .. after
        end
        return native.prepare(account.native, native_wire, path, wire.body and wire.body(argument))
    end
end

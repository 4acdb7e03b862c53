-- wire: from an operation and how a backend sends it to a request with its path and body, and from the answer to the
-- result.
local native, fields = ...

-- Sent as they are; all else is escaped, with small digits, as libcurl would make them in any case.
local function escaped(id)
    return (id:gsub("[^%w%-._~]", function(c) return ("%%%02x"):format(c:byte()) end))
end

-- What no request is made without.
local function check_cluster(cluster)
    if cluster == nil then
        fields.invalid("no cluster was named: set KMIRROR_CLUSTER, give cluster to mirrors.connect{}, or use "
            .. "api:on(cluster)")
    end
    fields.check("cluster", fields.uuid, cluster)
end

---@class mirrors.Request what an operation sends, and what it makes of the answer
---@field prepare fun(account: table, cluster: string, id?: string, argument?: any): userdata  checks the arguments
---@field read? fun(decoded: any, cluster: string): any, string?, string?  the result; or nil, kind and message

local function native_wire(operation, wire)
    return native.wire { method = wire.method, success = wire.success, json = wire.shape ~= nil,
        shape = not wire.unwrap and wire.shape or nil, value = wire.value, change = operation.effect ~= "reads" }
end

local function preparer(operation, wire)
    local sent = native_wire(operation, wire)
    local start, rest = wire.path:match("^(.-){id}(.*)$")
    local id_kind = operation.takes_id and (wire.id or fields.any_id)
    local starts = setmetatable({}, { __mode = "k" }) -- of paths, by account and cluster: most calls are alike
    local function start_of(account, cluster)
        check_cluster(cluster)
        starts[account] = starts[account] or {}
        starts[account][cluster] = account.base .. (start or wire.path):gsub("{cluster}", cluster)
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
            path = path .. id .. rest
        end
        return native.prepare(account.native, sent, path, wire.body and wire.body(argument, cluster))
    end
end

local function reader(wire)
    if not wire.unwrap then return wire.read end
    local shape = native.shape(wire.shape)
    return function(decoded, cluster)
        local unwrapped = wire.unwrap(decoded)
        local problem = native.misfit(shape, unwrapped)
        if problem then return nil, "protocol", "the answer does not fit the API's description: " .. problem end
        return wire.read(unwrapped, cluster)
    end
end

---@param operation mirrors.Operation
---@param wire mirrors.Wire
---@return mirrors.Request
return function(operation, wire)
    return { prepare = preparer(operation, wire), read = reader(wire) }
end

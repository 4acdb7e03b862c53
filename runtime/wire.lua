-- wire: from an operation and how a backend sends it to a request with its path and body, and from the answer to the
-- result.
local native, fields = ...

local wire = {}

---A text as one part of a path: what RFC 3986 does not call unreserved is escaped.
---@param text string
---@return string
function wire.escaped(text)
    return (text:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end))
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
---@field steps? fun(session: mirrors.Session, id?: string, argument?: any, how?: reconcile.how): any  of one that takes
---  several requests

local function native_wire(its, is_change)
    return native.wire { method = its.method, success = its.success, json = its.shape ~= nil,
        shape = not its.unwrap and its.shape or nil, value = its.value, change = is_change }
end

local function preparer(operation, its)
    local sent = native_wire(its, operation.effect ~= "reads")
    local start, rest = its.path:match("^(.-){id}(.*)$")
    local id_kind = operation.takes_id and (its.id or fields.any_id)
    local starts = setmetatable({}, { __mode = "k" }) -- of paths, by account and cluster: most calls are alike
    local function start_of(account, cluster)
        check_cluster(cluster)
        starts[account] = starts[account] or {}
        starts[account][cluster] = account.base .. (start or its.path):gsub("{cluster}", cluster)
        return starts[account][cluster]
    end
    return function(account, cluster, id, argument)
        if account.options.login_problem then
            fields.invalid("%s", account.options.login_problem)
        end
        local known = starts[account]
        local path = known and known[cluster] or start_of(account, cluster)
        if id_kind then
            if not native.is_uuid(id) then
                fields.check("id", id_kind, id)
                id = wire.escaped(id)
            end
            path = path .. id .. rest
        end
        return native.prepare(account.native, sent, path, its.body and its.body(argument, cluster))
    end
end

local function reader(its)
    if not its.unwrap then return its.read end
    local shape = native.shape(its.shape)
    return function(decoded, cluster)
        local unwrapped = its.unwrap(decoded)
        local problem = native.misfit(shape, unwrapped)
        if problem then
            return nil, "protocol", "the answer does not fit the API's description: " .. problem
        end
        return its.read(unwrapped, cluster)
    end
end

-- An operation of several requests sends nothing by itself: its arguments are checked, and its steps taken later.
local function checker(operation, its)
    return function(account, cluster, id, argument)
        if operation.takes_id then fields.check("id", fields.any_id, id) end
        if its.check then
            its.check(argument, account.options.clusters[cluster:lower()], account.options)
        end
    end
end

---@param operation mirrors.Operation
---@param its mirrors.Wire|mirrors.Steps
---@return mirrors.Request
function wire.compile(operation, its)
    if its.steps then return { prepare = checker(operation, its), steps = its.steps } end
    return { prepare = preparer(operation, its), read = reader(its) }
end

---The requests that operations of several requests are made of.
---@param parts table<string, mirrors.Wire>
---@return table<string, { sent: userdata, path: string, body?: function, misfit?: fun(answer: any): string? }>
function wire.compile_parts(parts)
    local compiled = {}
    for name, its in pairs(parts) do
        compiled[name] = { sent = native_wire(its, its.method ~= "GET"), path = its.path, body = its.body,
            misfit = its.misfit }
    end
    return compiled
end

return wire

-- several: an operation that takes several requests. Each is made, retried and told of like any other, and all of them
-- are within one deadline. They go to the workers of a Kafka Connect cluster, in turn where one is out of reach.
local native, retry, task, new_error, wire = ...

local several = {}

---@class mirrors.Way to a server of a few that stand for one another
---@field servers { native: userdata, base: string }[]
---@field at integer  the one that is asked now

local function way_to(urls, all, governor)
    local servers = {}
    for i, url in ipairs(urls) do
        local its = setmetatable({ endpoint = url:gsub("/+$", "") }, { __index = all })
        servers[i] = { native = native.account(its, governor) }
        servers[i].base = native.base_path(servers[i].native)
    end
    return { servers = servers, at = 1 }
end

---The ways to the Kafka Connect clusters that options tell of, and to the metrics of each.
---@param all mirrors.Options
---@param governor userdata
---@return table<string, { workers: mirrors.Way, metrics: mirrors.Way[] }> by name of the cluster
function several.ways(all, governor)
    local ways = {}
    for name, cluster in pairs(all.clusters or {}) do
        ways[name] = { workers = way_to(cluster.urls, all, governor), metrics = {} }
        for i, url in ipairs(cluster.metrics) do
            ways[name].metrics[i] = way_to({ url }, all, governor)
        end
    end
    return ways
end

---@class mirrors.Session what the steps of an operation are taken with
---@field cluster mirrors.ConnectCluster
---@field clusters table<string, mirrors.ConnectCluster>
---@field call table
local Session = {}
Session.__index = Session

-- Asks a part of whoever is next on the way. What cannot be reached is passed over at the next attempt.
local function part_of(session, way, name, names, ...)
    local call, part = session.call, session.parts[name]
    local path = part.path:gsub("{(%w+)}", function(place) return wire.escaped(names[place]) end)
    local body = part.body and part.body(...)
    local request = { account = call.account, operation = call.operation, cluster = call.cluster, id = call.id,
        attempts = 0, backend = call.backend, spec = call.spec, until_ = session.until_ }
    function request.renew()
        local server = way.servers[way.at]
        return native.prepare(server.native, part.sent, server.base .. path, body)
    end
    function request.judge(e, told)
        if e.kind == "transport" or e.kind == "timeout" then way.at = way.at % #way.servers + 1 end
        if session.judge then session.judge(e, told) end
    end
    return retry.perform(request)
end

---Makes one of the requests that the operation takes.
---@param name string  of the part, as the backend calls it
---@param names? table<string, string>  what stands in its path
---@param ... any  what its body is made of
---@return any  what was answered
---Raises what an operation of one request raises.
function Session:ask(name, names, ...)
    local answer = part_of(self, self.ways.workers, name, names or {}, ...)
    local problem = self.parts[name].misfit and self.parts[name].misfit(answer)
    if problem then
        self:fail("protocol", "the answer does not fit Kafka Connect's description: " .. problem)
    end
    return answer
end

---The same, of which a failure is an answer, too.
---@return any  what was answered; nil when it failed
---@return mirrors.Error?
function Session:try(name, names, ...)
    local ok, result = pcall(self.ask, self, name, names, ...)
    if ok then return result == nil and true or result end
    if type(result) ~= "table" or result.kind == "cancelled" then error(result, 0) end
    return nil, result
end

---The same part from each of the cluster's sources of metrics; what one does not tell is left out.
---@return any[]
function Session:metrics(name)
    local answers = {}
    for _, way in ipairs(self.ways.metrics) do
        local ok, answer = pcall(part_of, self, way, name, {})
        if ok then answers[#answers + 1] = answer end
    end
    return answers
end

---From now on there is as much time as at the beginning: to look what became of a request that took too long.
function Session:more_time()
    self.until_ = task.now() + self.call.account.options.deadline
end

---Raises an error of the operation.
---@param kind mirrors.kind
---@param message string
---@param details? table
function Session:fail(kind, message, details)
    local call = self.call
    error(new_error(kind, message, { operation = call.operation, cluster = call.cluster, id = call.id,
        details = details }), 0)
end

---Takes the steps of a call.
---@param call table
---@param how? reconcile.how
---@return any
function several.perform(call, how)
    local account = call.account
    local name = call.cluster:lower()
    local session = setmetatable({ call = call, cluster = account.options.clusters[name], judge = call.backend.judge,
        clusters = account.options.clusters, ways = account.ways[name], parts = call.backend.compiled }, Session)
    session:more_time()
    return call.steps(session, call.id, call.argument, how)
end

return several

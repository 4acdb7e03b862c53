--- runbook: what the specs of runbooks share: a sandbox, runs of one runbook against it, and what that changed.
local json = require("kmirror.json")
local support = require("spec.support")

---@class support.runbook
---@field name string
---@field sandbox support.sandbox|nil
local runbook = {}
runbook.__index = runbook

runbook.west = "us-west=" .. support.us_west .. ",5a9b1c52-0000-4000-8000-000000000001"
runbook.east = "us-east=" .. support.us_east .. ",5a9b1c52-0000-4000-8000-000000000002"

---@param name string
---@return support.runbook
function runbook.new(name)
    return setmetatable({ name = name }, runbook)
end

---Starts a new sandbox, whose mirrors come up fast unless the options say otherwise.
---@param options table?
function runbook:start(options)
    self:stop()
    local given = { rate = 0, creating_seconds = 0.1, sync_seconds = 0.1, world = 6 }
    for name, value in pairs(options or {}) do given[name] = value end
    self.sandbox = support.sandbox(given)
end

function runbook:stop()
    if self.sandbox then self.sandbox:stop() end
    self.sandbox = nil
end

---The arguments that run it: kmirror's own options, then its own.
---@param own string[]
---@param its string[]
---@return table
function runbook:arguments(own, its)
    local all = { "--rate", "0" }
    table.move(own, 1, #own, #all + 1, all)
    table.move({ "run", self.name }, 1, 2, #all + 1, all)
    table.move(its, 1, #its, #all + 1, all)
    all.env = self.sandbox:env()
    return all
end

---@param own string[]
---@param its string[]
---@return support.result
function runbook:run(own, its)
    return support.run(self:arguments(own, its))
end

---Runs kmirror itself, and returns what it printed as JSON.
---@param ... string
---@return any
function runbook:ask(...)
    local words = { "--rate", "0", "--json", ... }
    words.env = self.sandbox:env()
    local result = support.run(words)
    if result.status ~= 0 then error(result.stderr, 2) end
    return json.decode(result.stdout)
end

---The mirrors on us-east, or another cluster.
---@param cluster string?
---@return table[]
function runbook:mirrors(cluster)
    return self:ask("list", "--cluster", cluster or support.us_east)
end

---One field of each mirror, sorted.
---@param field string
---@return string[]
function runbook:each(field)
    local found = {}
    for i, mirror in ipairs(self:mirrors()) do found[i] = mirror[field] end
    table.sort(found)
    return found
end

---How many requests changed something, by operation.
---@return table<string, integer>
function runbook:changes()
    local made = {}
    for _, request in ipairs(self.sandbox:requests()) do
        if request.effect then made[request.operation] = (made[request.operation] or 0) + 1 end
    end
    return made
end

---Creates a mirror on us-east from us-west.
---@param regex string
---@return string id
function runbook:create(regex)
    local spec = { sourceType = "instaclustr", kafkaSource = runbook.west:match(",(.+)"), sourceAlias = "us-west",
        maxTasks = 1, topicsRegex = regex, useRenaming = false }
    local file = support.temporary("spec.json", json.encode(spec))
    return self:ask("create", file).mirrorId
end

return runbook

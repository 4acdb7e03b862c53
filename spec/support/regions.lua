--- regions: what the specs of failover, failback and fleets share: a fast sandbox of two regions, and how to call the
--- runbooks on it.

local json = require("kmirror.json")
local support = require("spec.support")

local regions = {}
regions.__index = regions

regions.west = "us-west=" .. support.us_west .. ",5a9b1c52-0000-4000-8000-000000000001"
regions.east = "us-east=" .. support.us_east .. ",5a9b1c52-0000-4000-8000-000000000002"

--- Hooks that stop the producers in FROM, and that let those in TO go on.
regions.fence = [[fence=curl -fsS -X POST "$KMIRROR_ENDPOINT/sandbox/producers/$KMIRROR_FROM/stop"]]
regions.clients = [[clients=curl -fsS -X POST "$KMIRROR_ENDPOINT/sandbox/producers/$KMIRROR_TO/start"]]

--- A sandbox whose mirrors come up at once, unless the options say otherwise.
---@param options table?
---@return table
function regions.start(options)
    local given = { rate = 0, creating_seconds = 0, sync_seconds = 0, world = 6 }
    for name, value in pairs(options or {}) do given[name] = value end
    return setmetatable({ sandbox = support.sandbox(given), home = support.temporary_directory("home") }, regions)
end

function regions:stop()
    self.sandbox:stop()
end

--- Regions that start(options) makes, afresh each time, and that stop() ends: for `after_each`.
---@return table it_ them, when started
function regions.fresh()
    local now
    local it_ = setmetatable({}, { __index = function(_, name) return now[name] end })
    function it_.stop()
        if now then now:stop() end
        now = nil
    end
    function it_.start(options)
        it_.stop()
        now = regions.start(options)
    end
    return it_
end

--- Is a part in a text?
function regions.has(text, part)
    assert(text:find(part, 1, true), part .. "\nis not in\n" .. text)
end

--- kmirror's environment: the sandbox, and a place for its state.
function regions:env()
    local env = self.sandbox:env()
    env.XDG_STATE_HOME, env.XDG_CONFIG_HOME = self.home, self.home
    return env
end

--- Names clusters in the profile of a configuration file: Lua source of the table.
function regions:name(clusters)
    assert(os.execute("mkdir -p " .. self.home .. "/kmirror"))
    support.write(self.home .. "/kmirror/config.lua",
        ("return { profile = 'p', profiles = { p = { clusters = %s } } }"):format(clusters))
end

-- kmirror's own options, the runbook, its regions, waits that are no waits, and what else it gets.
function regions:arguments(runbook, from, to, own, its)
    local all = { "--rate", "0" }
    local function add(words) table.move(words, 1, #words, #all + 1, all) end
    add(own or {})
    add { "run", runbook, "--from", from, "--to", to, "--still", "0.1", "--offset-sync", "0.1" }
    add(its or {})
    all.env = self:env()
    return all
end

--- Fails over from us-west, with these hooks unless `its` starts with false: then none.
function regions:failover(own, its)
    its = its or {}
    local hooks = its[1] == false and { table.unpack(its, 2) } or
        { "--hook", regions.fence, "--hook", regions.clients, table.unpack(its) }
    return support.run(self:arguments("failover", regions.west, regions.east, own, hooks))
end

--- Fails back to it.
function regions:failback(own, its)
    its = its or {}
    local hooks = its[1] == false and { table.unpack(its, 2) } or
        { "--hook", regions.fence, "--hook", regions.clients, table.unpack(its) }
    return support.run(self:arguments("failback", regions.east, regions.west, own, hooks))
end

--- Runs one kmirror command on the sandbox.
function regions:kmirror(...)
    return support.run { "--rate", "0", env = self:env(), ... }
end

--- The mirrors on a Kafka Connect cluster, as the list has them.
function regions:mirrors_on(cluster)
    local result = self:kmirror("list", "--json", "--cluster", cluster)
    assert(result.status == 0, result.stderr)
    return json.decode(result.stdout)
end

--- A mirror in full.
function regions:get(cluster, id)
    return json.decode(self:kmirror("get", id, "--json", "--cluster", cluster).stdout)
end

--- Makes a mirror of a regex, and gives its id.
function regions:create(cluster, alias, kafka, regex, more)
    local spec = { sourceType = "instaclustr", kafkaSource = kafka, sourceAlias = alias, maxTasks = 1,
        topicsRegex = regex, useRenaming = false }
    for name, value in pairs(more or {}) do spec[name] = value end
    local result = support.run { "create", "-", "--cluster", cluster, stdin = json.encode(spec), env = self:env() }
    assert(result.status == 0, result.stderr)
    return result.stdout:match("%S+")
end

--- Stops the producers of a region, or lets them go on.
function regions:producers(region, action)
    local url = ("%s/sandbox/producers/%s/%s"):format(self.sandbox.url, region, action)
    assert(support.run { "-fsS", "-X", "POST", url, command = "curl" }.status == 0)
end

--- Do the producers of a region run?
function regions:producing(region)
    local result = support.run { "-fsS", self.sandbox.url .. "/sandbox/producers", command = "curl" }
    return json.decode(result.stdout)[region] == "running"
end

--- The topics regexes of mirrors, sorted.
function regions.regexes(list)
    local found = {}
    for i, mirror in ipairs(list) do found[i] = mirror.topicsRegex end
    table.sort(found)
    return found
end

--- The operations that changed something, in order.
function regions:changes()
    local made = {}
    for _, request in ipairs(self.sandbox:requests()) do
        if request.effect then made[#made + 1] = request.operation end
    end
    return made
end

--- A path for the state, and a runbook's arguments that name it.
function regions.saved(...)
    local path = support.temporary("state.json")
    return path, { "--state", path, ... }
end

--- Runs a command that a runbook has printed, with kmirror's own options added.
function regions:run_printed(command, ...)
    local rest = assert(command:match("^kmirror (.+)$"), command)
    local real <close> = assert(io.popen("realpath " .. support.executable))
    local own = table.concat({ "--yes", "--rate", "0", ... }, " ")
    return support.run { "-c", ("exec %s %s %s"):format(real:read("l"), own, rest), command = "sh", env = self:env(),
        directory = support.temporary_directory() }
end

return regions

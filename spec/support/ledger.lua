--- support.ledger: a ledger of creates in a world of its own.
local reconcile = dofile("runtime/reconcile.lua")

local ledgers = {}

--- Runs functions as tasks on a clock of their own. The API is what `world.api.list` answers.
---@param options? reconcile.options without list, sleep and now
---@return table
function ledgers.new_world(options)
    local world = { clock = 0, lists = 0, tasks = {}, api = {} }
    options = options or {}
    options.sleep = function(seconds) coroutine.yield(world.clock + seconds) end
    options.now = function() return world.clock end
    options.list = function(cluster)
        world.lists = world.lists + 1
        return world.api.list(cluster)
    end
    world.ledger = reconcile.ledger(options)

    function world.spawn(body)
        local one = { due = 0, thread = coroutine.create(body) }
        world.tasks[#world.tasks + 1] = one
        return one
    end

    function world.step(one)
        world.clock = math.max(world.clock, one.due)
        local ok, value = coroutine.resume(one.thread)
        one.due = coroutine.status(one.thread) == "dead" and math.huge or value
        if one.due == math.huge then one.ok, one.value = ok, value end
    end

    function world.run()
        repeat
            local first = { due = math.huge }
            for _, one in ipairs(world.tasks) do
                if one.due < first.due then first = one end
            end
            if first.thread then world.step(first) end
        until not first.thread
    end

    return world
end

--- A mirror as a list has it.
---@param id string
---@param name string of its connector
---@return reconcile.mirror
function ledgers.mirror(id, name)
    return { id = id, connectorName = name, topicsRegex = "x" }
end

--- What `again` and `send` may be: there is to be no other attempt; an answer that is lost.
function ledgers.fail(e) error(e, 0) end
function ledgers.lose() return "lost", { kind = "timeout", message = "no answer within 30 s" } end

return ledgers

-- kernels NAME COUNT: one of the kernels whose instructions are counted (instructions.sh), so many times. One request
-- at a time, so that the count does not depend on who is quicker.
local mirrors, task = require("mirrors"), require("task")

local name, count = ..., math.tointeger((select(2, ...)))
local api = mirrors.connect {}

local kernels = {
    get = function() return api:get "5a9b1c52-0000-4000-8000-00000000a001" end,
    list = function() return api:list() end,
    task = function() return task.spawn(task.sleep, 0):join() end,
}

-- What is the same work for twice as many mirrors: a pass over all pairs of them shows.
local function pairs_of_mirrors()
    local found = {}
    for i = 1, count do
        found[i] = {
            id = ("5a9b1c52-0000-4000-8000-%012x"):format(i), connectorName = "us-west.us-east." .. i,
            cluster = api.cluster, kafkaSource = "5a9b1c52-0000-4000-8000-000000000001", useRenaming = false,
            topicsRegex = ("orders-%d\\..*"):format(i),
        }
    end
    require("kmirror.findings").of_pairs(found)
end

-- The same for what a rollout shows before it begins: a pass over all topics for each mirror shows.
local function preview()
    local changes, topics = {}, {}
    for i = 1, count do
        local regex = ("orders-%d\\..*"):format(i)
        changes[i] = { old = { topicsRegex = regex }, regex = "(?!.*\\.dead-letter)" .. regex }
        topics[#topics + 1], topics[#topics + 2] = ("orders-%d.created"):format(i), ("orders-%d.dead-letter"):format(i)
    end
    require("kmirror.rollout").preview.make({ changes = changes, done = {}, others = {} }, topics, false)
end

local passes = { pairs = pairs_of_mirrors, preview = preview }
if passes[name] then
    passes[name]()
else
    for _ = 1, count do kernels[name]() end
end

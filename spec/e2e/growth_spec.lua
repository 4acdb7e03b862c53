local instructions = require("spec.support.instructions")
local support = require("spec.support")

local WEST <const> = "us-west=" .. support.us_west .. ",5a9b1c52-0000-4000-8000-000000000001"
local EAST <const> = "us-east=" .. support.us_east .. ",5a9b1c52-0000-4000-8000-000000000002"

-- A fleet file of so many mirrors.
local function fleet_of(count)
    local mirrors = {}
    for i = 1, count do
        mirrors[i] = ([[{ to = "%s", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001", sourceAlias = "us-west",
            useRenaming = true, usePrivateIps = false, maxTasks = 3, topicsRegex = "topic%d\\..*" },]]):format(
            support.us_east, i)
    end
    return support.temporary("fleet.lua", "return { mirrors = {\n" .. table.concat(mirrors, "\n") .. "\n} }")
end

-- What stands for WORLD, FLEET and JOB in a command, for so many mirrors.
local function words_of(command, count)
    local words, fleet, job = {}, nil, "j" .. count
    for i, word in ipairs(command) do
        if word == "FLEET" then fleet = fleet or fleet_of(count) end
        words[i] = word == "WORLD" and tostring(count) or word == "FLEET" and fleet or word == "JOB" and job or word
    end
    return words
end

local COMMANDS <const> = {
    { "--world", "WORLD", "list", "--wide" },
    { "--world", "WORLD", "export" },
    { "--world", "WORLD", "run", "audit" },
    { "--world", "WORLD", "run", "watch", "--for", "1" },
    { "--world", "WORLD", "run", "retune", "--from-measured" },
    { "--world", "WORLD", "run", "drain", "--all", "--busy", "--max-delete", "100000" },
    { "--world", "WORLD", "run", "failover", from = 250 },
    { from = 250, "--world", "WORLD", "run", "failover", "--batches", "25%", "--from", WEST, "--to", EAST,
        "--still", "1", "--offset-sync", "1" },
    { "--world", "WORLD", "run", "rollout", "--max-delete", "100000" },
    { "--world", "0", "plan", "FLEET" },
    { "--world", "0", "apply", "FLEET" },
    { "--world", "0", "run", "migrate", "FLEET" },
    { "--world", "0", "--job", "JOB", "apply", "FLEET" },
}

describe("the work for each mirror is the same, however many there are,", function()
    local home

    setup(function() home = support.temporary_directory("growing") end)

    local function growth_of(command)
        return instructions.growth(command.from or 100, function(mirrors)
            local words = { "--sandbox", "--jump", "--rate", "35", "--yes", "--log-level", "error", timeout = 120,
                env = { HOME = support.temporary_directory("alone") } }
            local its = words_of(command, mirrors)
            local number, result = instructions.of(table.move(its, 1, #its, #words + 1, words))
            assert.is_true(result.status == 0 or result.status == 3, result.stderr)
            return number
        end)
    end

    for _, command in ipairs(COMMANDS) do
        it("in " .. table.concat(command, " ", 3), function()
            local growth = growth_of(command)
            assert.is_true(growth < 2.2, growth)
        end)
    end

    it("in creates that are all under way at once", function()
        local runbook = support.temporary("creates.lua", [[
            local mirrors, task = require "mirrors", require "task"
            local api, group <close> = mirrors.connect {}, task.group()
            for i = 1, tonumber((...)) do
                group:spawn(function()
                    api:create { sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001",
                        sourceAlias = "us-west", topicsRegex = "t" .. i, useRenaming = false, maxTasks = 3 }
                end)
            end
            group:wait()]])
        local growth = growth_of { "--world", "0", "--cluster", support.us_east, "run", runbook, "WORLD" }
        assert.is_true(growth < 2.2, growth)
    end)

    it("in a job, its report, and what is shown of it", function()
        local worlds = setmetatable({}, { __index = function(all, size)
            all[size] = support.sandbox { rate = 0, creating_seconds = 0, sync_seconds = 0, world = "empty" }
            return all[size]
        end })
        local function growth(...)
            local words = { ... }
            return instructions.growth(100, function(mirrors)
                local own = words_of(words, mirrors)
                own.env = worlds[mirrors]:env()
                own.env.HOME = home
                local number, result = instructions.of(own)
                assert.are.equal(0, result.status, result.stderr)
                return number
            end)
        end
        local page = support.temporary("page.html")
        for _, words in ipairs { { "--rate", "0", "--yes", "--job", "JOB", "apply", "FLEET" },
            { "--rate", "0", "--yes", "--job", "JOB", "apply", "FLEET" }, { "report", "JOB", page },
            { "jobs", "show", "JOB" } } do
            local grown = growth(table.unpack(words))
            assert.is_true(grown < 2.1, table.concat(words, " ") .. ": " .. grown)
        end
        for _, world in pairs(worlds) do world:stop() end
    end)
end)

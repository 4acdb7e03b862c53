--- The ledger of creates in some 186,000 sequences of choices, in all scenarios together. Each ends in a check: nothing
--- was made more often than it was wanted, what is returned exists and is what was asked for, and what cannot be told
--- names every mirror that it may be.
local interleavings = require("spec.support.interleavings")
local specs, same_look, explore = interleavings.specs, interleavings.same_look, interleavings.explore

-- What must be true at the end of every run -----------------------------------------------------------------

local function must(condition, message)
    if not condition then error(message, 0) end
    return condition
end

-- Did anything happen after which a create may be unanswered?
local function has_lost(scenario)
    local text = scenario.disaster or ""
    for _, fates in ipairs(scenario.fates) do text = text .. table.concat(fates) end
    return text:find("lost") or scenario.disaster
end

-- May somebody else make a mirror that cannot be told from one of ours?
local function has_double(scenario)
    for _, name in ipairs(scenario.foreign and scenario.creates or {}) do
        if same_look(specs[name], specs[scenario.foreign]) then return true end
    end
    return false
end

local function name_of(model, owner)
    return model.scenario.creates[owner]
end

-- Each id that a create returned exists, is what was asked for, and is no other create's.
local function check_results(model)
    local index, claimed = {}, {}
    for _, mirror in ipairs(model.mirrors) do
        if not mirror.never then index[mirror.id] = mirror end
    end
    for i, result in pairs(model.results) do
        local id = result.id
        if id then
            local mirror = must(index[id], "an id that does not exist")
            must(not claimed[id], "an id returned twice")
            claimed[id] = true
            must(mirror.owner ~= "world", "adopted what was there before")
            must(same_look(mirror.spec, specs[name_of(model, i)]), "adopted a mirror that does not fit")
            if mirror.owner == "foreign" then
                must(has_lost(model.scenario), "took a foreign mirror without need")
            else
                must(name_of(model, mirror.owner) == name_of(model, i), "adopted another specification")
            end
        end
    end
    return claimed
end

-- No specification took effect more often than it was asked for.
local function check_effects(model)
    local wanted, done = {}, {}
    for i, name in ipairs(model.scenario.creates) do
        wanted[name] = (wanted[name] or 0) + 1
        done[name] = (done[name] or 0) + (model.effects[i] or 0)
    end
    for name, count in pairs(done) do must(count <= wanted[name], "done more often than wanted") end
end

local function is_cancelled(result)
    return result and type(result.error) == "table" and result.error.kind == "cancelled"
end

local function names(e, id)
    for _, candidate in ipairs(e.details.candidates) do
        if candidate.id == id then return e.message:find(id, 1, true) ~= nil end
    end
    return false
end

-- Is the mirror named by the error of the create that made it, or of another one that might as well have?
local function is_named(model, mirror)
    local own = model.results[mirror.owner].error
    if own and own.kind ~= "cancelled" then return names(own, mirror.id) end
    for i, result in pairs(model.results) do
        local alike = result.error and name_of(model, i) == name_of(model, mirror.owner)
        if alike and not is_cancelled(result) and names(result.error, mirror.id) then
            return true
        end
    end
    return false
end

-- What failed says so, and every mirror that no create returned is named; but a cancelled create may leave
-- one.
local function check_failures(model, claimed)
    local left = {}
    for i, result in pairs(model.results) do
        local e = result.error
        must(not e or type(e) == "table", e)
        must(not e or e.kind == "unknown_outcome" or e.kind == "cancelled", e and e.message)
        if is_cancelled(result) then
            left[name_of(model, i)] = (left[name_of(model, i)] or 0) + 1
        end
    end
    for _, mirror in ipairs(model.mirrors) do
        local name = not mirror.never and not claimed[mirror.id] and name_of(model, mirror.owner)
        if name and not is_named(model, mirror) then
            left[name] = (left[name] or 0) - 1
            must(left[name] >= 0, "a mirror that nobody knows of")
        end
    end
end

local function check(model)
    check_effects(model)
    check_failures(model, check_results(model))
end

-- Where whoever reads the list with care could tell what happened, kmirror can.
local function check_decided(model)
    check(model)
    for _, result in pairs(model.results) do
        local e = result.error
        must(not e or e.kind == "cancelled", e and e.message)
    end
end

-- Scenarios -------------------------------------------------------------------------------------------------

local settled, dotted, contradictory = { "z.t.r0" }, { "z.b.t.r0" }, { "z.t.r0", "z.u.r0" }
local nothing, unsent, rejected = {}, { "not sent" }, { "rejected" }
local undone, done = { "not done and lost" }, { "done but lost" }
local strangers = { false, "a", "a_regex", "ab" }

local covered = 0

-- Walks the scenario with each stranger. Unless it is doubtful even without one, every create must be decided
-- when no stranger can make a double of it.
local function walk(creates, fates, options)
    options = options or {}
    for _, foreign in ipairs(options.strangers or strangers) do
        local scenario = {
            creates = creates, fates = fates, foreign = foreign or nil, disaster = options.disaster,
            world = options.world or settled, target = options.target or "t", hurry = options.hurry or 0,
        }
        local doubtful = options.doubtful or has_double(scenario) and has_lost(scenario)
        covered = covered + explore(scenario, doubtful and check or check_decided)
    end
end

describe("the ledger of creates, in every interleaving,", function()
    local pairs_of_creates = { { "a", "a" }, { "a", "a_other" }, { "a", "ab" }, { "a", "b" } }
    local triples = {
        { "a", "a", "a" }, { "a", "a", "a_other" }, { "a", "a", "ab" }, { "a", "a", "b" },
        { "a", "a_other", "ab" },
    }

    it("makes one mirror once, whatever becomes of the answer", function()
        for hurry = 0, 2 do
            for _, fate in ipairs({ nothing, unsent, rejected, undone, done }) do
                walk({ "a" }, { fate }, { hurry = hurry })
                walk({ "a" }, { fate }, { hurry = hurry, world = {}, strangers = { false, "a", "a_regex" } })
            end
            walk({ "a" }, { { undone[1], undone[1] } }, { hurry = hurry })
            walk({ "a" }, { { undone[1], done[1] } }, { hurry = hurry })
            walk({ "a" }, { { unsent[1], done[1] } }, { hurry = hurry })
        end
    end)

    it("makes two mirrors, one of them with a fault", function()
        for _, creates in ipairs(pairs_of_creates) do
            for _, fate in ipairs({ nothing, unsent, rejected, undone, done }) do
                walk(creates, { fate, nothing }, { hurry = 1 })
                if creates[2] ~= "a" then walk(creates, { nothing, fate }, { hurry = 1 }) end
            end
        end
    end)

    it("makes two mirrors, both answers lost", function()
        for _, creates in ipairs(pairs_of_creates) do
            walk(creates, { done, done })
            walk(creates, { done, undone })
            walk(creates, { undone, done })
            walk(creates, { undone, undone })
        end
    end)

    it("makes three mirrors, one of them with a fault", function()
        for _, creates in ipairs(triples) do
            for _, fate in ipairs({ unsent, undone, done }) do
                for faulty = 1, 3 do
                    local fates = { nothing, nothing, nothing }
                    fates[faulty] = fate
                    if creates[faulty] ~= creates[faulty - 1] then
                        walk(creates, fates, { strangers = { false } })
                    end
                end
            end
        end
    end)

    it("makes three equal mirrors, two or three answers lost", function()
        walk({ "a", "a", "a" }, { done, done, nothing })
        walk({ "a", "a", "a" }, { done, done, done })
    end)

    it("lets go of a create that is cancelled, and of no other", function()
        for _, fate in ipairs({ nothing, unsent, undone, done }) do
            walk({ "a" }, { fate }, { disaster = "cancel", hurry = 1 })
        end
        for _, creates in ipairs(pairs_of_creates) do
            for _, fate in ipairs({ nothing, undone, done }) do
                walk(creates, { fate, nothing }, { disaster = "cancel" })
            end
        end
        walk({ "a", "a" }, { done, done }, { disaster = "cancel" })
        walk({ "a", "a" }, { done, undone }, { disaster = "cancel" })
    end)

    it("goes on after the process was killed, from what was written down", function()
        for _, fate in ipairs({ nothing, unsent, undone, done }) do
            walk({ "a" }, { fate }, { disaster = "kill", hurry = 1 })
        end
        for _, creates in ipairs(pairs_of_creates) do
            walk(creates, { nothing, nothing }, { disaster = "kill" })
            walk(creates, { done, nothing }, { disaster = "kill", strangers = { false, "a" } })
            -- That a lost create was found undone is not written down: another of the same look may then cast
            -- doubt.
            walk(creates, { undone, nothing }, {
                disaster = "kill", strangers = { false }, doubtful = creates[2] == "a_other",
            })
        end
        walk({ "a", "a" }, { nothing, nothing }, { disaster = "kill", strangers = { false }, hurry = 2 })
        walk({ "a", "a", "a" }, { nothing, nothing, nothing }, { disaster = "kill", strangers = { false } })
    end)

    it("doubts a name that can be read in two ways", function()
        local options = { world = dotted, target = "b.t", doubtful = true }
        for _, creates in ipairs(pairs_of_creates) do
            walk(creates, { done, nothing }, options)
            walk(creates, { nothing, done }, options)
            walk(creates, { undone, nothing }, options)
            walk(creates, { done, done }, options)
        end
        options.target, options.world = "t", contradictory
        for _, creates in ipairs(pairs_of_creates) do
            walk(creates, { done, nothing }, options)
            walk(creates, { undone, nothing }, options)
        end
    end)

    it("covers 150,000 of them", function()
        assert.is_true(covered > 150000, "only " .. covered)
    end)
end)

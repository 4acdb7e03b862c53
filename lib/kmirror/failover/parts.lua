--- The parts of a failover that is done team by team: each has mirrors of its own, is fenced, deleted, moved and
--- created for itself, and is over before the next one begins. Without --batches there is one part: the whole.

local batches = require("kmirror.batches")
local fields = require("mirrors").fields
local limits = require("kmirror.limits")
local refuse = require("kmirror.usage")
local selection = require("kmirror.selection")
local text = require("kmirror.text")

local M = {}

---@class kmirror.failover.cut what one batch takes
---@field size? integer|string
---@field names? string[] beginnings of topics regexes
---@field name? string as the operator wrote it

---@class kmirror.failover.part: kmirror.failover.run
---@field index integer
---@field of integer how many there are
---@field name string|nil
---@field label string|nil "batch 2 of 3"; nil where there is one part alone
---@field called string|nil the same with its name: "batch 2 of 3 (payments)"
---@field root kmirror.failover.run

-- ---- cutting -------------------------------------------------------------------------------------------------

local function names_in(word)
    local names = {}
    for name in word:gmatch("[^+]+") do names[#names + 1] = name end
    return names
end

--- A converter for argparse: sizes, percentages, and beginnings of topics regexes, with commas between.
---@param given string "payments,orders+returns,100%"
---@return kmirror.failover.cut[]|nil
---@return string|nil problem
function M.read(given)
    local cuts = {}
    for word in (given .. ","):gmatch("%s*([^,]-)%s*,") do
        local size = limits.amount("--batches")(word)
        local names = names_in(word)
        if word:find("^%d+%.?%d*%%?$") and not (size and pcall(batches.cut, 1, { size })) or #names == 0 then
            return nil, ("--batches %s: expected sizes (10), percentages (25%%) or beginnings of topics (payments) "
                .. "with commas between, such as 1,payments,orders+returns,100%%"):format(fields.shown(given))
        end
        cuts[#cuts + 1] = { size = size, names = not size and names or nil, name = not size and word or nil }
    end
    cuts.text = given
    return cuts
end

local function begins_with_any(mirror, names)
    for _, name in ipairs(names) do
        if selection.begins(mirror, name) then return true end
    end
    return false
end

-- A name that takes nothing is spelled wrong, or something before it has taken its mirrors.
local function refuse_empty(cut, mirrors)
    local known, was_taken = {}, false
    for _, mirror in ipairs(mirrors) do
        known[mirror.topicsRegex:match("^[%w_-]+") or ""] = true
        was_taken = was_taken or begins_with_any(mirror, cut.names)
    end
    refuse("--batches: no mirror is left whose topics regex begins with '%s'%s; nothing was changed", cut.name,
        was_taken and ", as an earlier batch takes them" or fields.meant(cut.name, known))
end

-- Takes the mirrors of a batch out of those that are left.
local function take(cut, left, count)
    local size = cut.size and batches.cut(count, { cut.size })[1].last
    local taken, kept = {}, {}
    for _, mirror in ipairs(left) do
        local is_meant = cut.names and begins_with_any(mirror, cut.names) or size and #taken < size
        table.insert(is_meant and taken or kept, mirror)
    end
    return taken, kept
end

--- Cuts mirrors into batches: each gets the number of its own as `batch`.
---@param mirrors table[] in order
---@param cuts kmirror.failover.cut[]
---@return table[] batches what is saved of each
---Raises usage for a batch that would be empty, and for mirrors that are in none.
function M.cut(mirrors, cuts)
    local made, left, at = {}, mirrors, 1
    while #left > 0 or cuts[at] do
        local cut = cuts[at] or cuts[#cuts].size and cuts[#cuts]
        if not cut then
            refuse("--batches %s: %s in no batch, '%s' among them; end it with 100%% for the rest; nothing was changed",
                cuts.text, text.count(#left, "mirror is", "mirrors are"), text.short(left[1].topicsRegex))
        end
        local taken
        taken, left = take(cut, left, #mirrors)
        if #taken == 0 and cut.names then refuse_empty(cut, mirrors) end
        if #taken > 0 then
            made[#made + 1] = { name = cut.name, count = #taken }
            for _, mirror in ipairs(taken) do mirror.batch = #made end
        end
        at = at + 1
    end
    return made
end

-- ---- one part ------------------------------------------------------------------------------------------------

local of_all = {} -- fields that are so of all batches
for name in ("mode endpoint steps saved ends_seen runs"):gmatch("%S+") do of_all[name] = true end

-- What is saved of a batch, with its own mirrors, and what is so of all.
local function state_of(whole, index)
    local own = {}
    for _, mirror in ipairs(whole.mirrors) do
        own[#own + 1] = mirror.batch == index and mirror or nil
    end
    return setmetatable(whole.batches[index], { __index = function(_, name)
        if name == "mirrors" then return own end
        return of_all[name] and whole[name] or nil
    end })
end

-- A team with many topics by the first of them.
local function short(name)
    local names = names_in(name)
    return #names > 2 and ("%s and %d more"):format(names[1], #names - 1) or name
end

local function among(list, ids)
    local found = {}
    for _, mirror in ipairs(list) do found[#found + 1] = ids[mirror.id] and mirror or nil end
    return found
end

-- Those that run the other way with a part's topics.
local function opposite_of(run, state)
    local is_its, found = {}, {}
    for _, mirror in ipairs(state.mirrors) do is_its[mirror.topicsRegex] = true end
    for _, mirror in ipairs(run.opposite) do
        found[#found + 1] = is_its[mirror.topicsRegex] and mirror or nil
    end
    return found
end

local function new(run, index, count)
    local state = run.state.batches and state_of(run.state, index) or run.state
    local ids = {}
    for _, mirror in ipairs(state.mirrors) do ids[mirror.id] = true end
    local name = state ~= run.state and state.name or nil
    local label = count > 1 and ("batch %d of %d"):format(index, count) or nil
    return setmetatable({
        index = index, of = count, name = name, state = state, root = run,
        label = label, called = label and label .. (name and (" (%s)"):format(short(name)) or ""),
        live = among(run.live, ids), opposite = opposite_of(run, state),
        counts = { deleted = 0, created = 0 }, went_on = state.acting ~= nil,
    }, { __index = run })
end

--- The parts of a run whose state is known.
---@param run kmirror.failover.run
---@return kmirror.failover.part[]
function M.of(run)
    local made, count = {}, run.state.batches and #run.state.batches or 1
    for index = 1, count do made[index] = new(run, index, count) end
    return made
end

--- Whether nothing is left to do for a part, now.
---@param part kmirror.failover.part
---@return boolean
function M.is_over(part)
    return part.state.over ~= nil or part.given.no_reverse and part.of > 1 and part.state.moved ~= nil
end

--- The parts that are not over.
---@param run kmirror.failover.run
---@return kmirror.failover.part[]
function M.left(run)
    local left = {}
    for _, part in ipairs(run.parts) do left[#left + 1] = not M.is_over(part) and part or nil end
    return left
end

--- The batches in words: "payments: 20, orders: 20, 3".
---@param list kmirror.failover.part[]
---@return string
function M.words(list)
    local words = {}
    for i, part in ipairs(list) do
        local count = #part.state.mirrors
        words[i] = part.name and ("%s: %d"):format(short(part.name), count) or tostring(count)
    end
    return table.concat(words, ", ")
end

return M

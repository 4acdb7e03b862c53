--- A failover that is open: it has begun to delete, and is not over. It is continued by the command that began it, or
--- closed as it is, by --abandon.

local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local connect = require("mirrors").connect
local files = require("kmirror.file")
local halt = require("kmirror.failover.halt")
local json = require("kmirror.json")
local log = require("kmirror.log")
local memory = require("kmirror.memory")
local options = require("kmirror.failover.options")
local again = require("kmirror.again")
local refuse = require("kmirror.usage")
local regions = require("kmirror.failover.regions")
local saved = require("kmirror.failover.saved")
local shell = require("kmirror.shell")
local successor = require("kmirror.successor")
local tables = require("kmirror.table")
local text = require("kmirror.text")
local try = require("kmirror.problem").try

local M = {}

-- ---- another run while one is open -----------------------------------------------------------------------------

-- "2 of 3 batches are over (payments, orders), 20 of 60 mirrors are left".
local function how_far(state)
    local over, left, names = 0, 0, {}
    for _, batch in ipairs(state.batches or {}) do
        over = over + (batch.over and 1 or 0)
        names[#names + 1] = batch.over and batch.name or nil
        left = left + (batch.over and 0 or batch.count)
    end
    if not state.batches then return text.count(#state.mirrors, "mirror") end
    return ("%d of %d batches %s over%s, %d of %s left"):format(over, #state.batches, over == 1 and "is" or "are",
        #names > 0 and (" (%s)"):format(table.concat(names, ", ")) or "", left, text.count(#state.mirrors, "mirror"))
end

local function in_order(words)
    local pairs_of = {}
    for i = 1, #words, 2 do pairs_of[#pairs_of + 1] = words[i] .. "\0" .. words[i + 1] end
    table.sort(pairs_of)
    return table.concat(pairs_of, "\0")
end

local function differs(given, state)
    return in_order(given.selection.words) ~= in_order(state.selection or {})
        or given.batches and given.batches.text ~= state.batches_text
end

--- Raises usage when a run asks for other mirrors, or other batches, than the one that is open.
---@param runbook string
---@param given table the options
---@param state table
---@param path string
function M.check_same(runbook, given, state, path)
    if not differs(given, state) then return end
    local selection = {}
    for i, word in ipairs(state.selection or {}) do selection[i] = shell.word(word) end
    local continue = options.command(runbook, given, {
        from = given.from_name, to = given.to_name, disaster = given.disaster, failover = given.failover,
        properties = given.source_properties, state = given.state, accept = given.accept,
        selection = state.selection or {}, batches = state.batches_text,
    })
    refuse("a %s %s -> %s is open since %s: %s; it is about %s%s, and this command is not.\n"
        .. "To continue it, with the hooks that it had: %s\nTo close it as it is: %s\n"
        .. "What it has saved is in %s; nothing was changed", state.runbook or runbook,
        given.from.alias, given.to.alias, state.acting, how_far(state),
        #selection > 0 and table.concat(selection, " ") or "all mirrors",
        state.batches_text and (" in --batches %s"):format(shell.word(state.batches_text)) or "",
        continue, options.closing(runbook, given, given.state), path)
end

-- ---- closing ---------------------------------------------------------------------------------------------------

-- The ids of the mirrors one way; nil and why when their cluster does not answer.
local function ids_of(api, source, target)
    if not api then return {} end
    local answered, listed = try(regions.listed, api, source, target)
    if not answered then return nil, tostring(listed) end
    local ids = {}
    for _, mirror in ipairs(bulk.filter(listed, function(each) return regions.read(api, each) ~= nil end)) do
        ids[mirror.id] = true
    end
    return ids
end

-- What became of a mirror: by what is there now, and where that cannot be asked, by what was noted down.
local function fate_of(mirror, there, back)
    local acted = mirror.acting
    local is_old = there and there[mirror.id] or not there and not acted
    local is_new = mirror.reverse ~= nil and (not back or back[mirror.reverse])
    if is_old and is_new then return "both" end
    return is_new and "reversed" or is_old and "as it was" or "neither"
end

local function sort(state, there, back)
    local found = { reversed = {}, ["as it was"] = {}, neither = {}, both = {} }
    for _, mirror in ipairs(state.mirrors) do
        local own = state.batches and state.batches[mirror.batch] or state
        local fate = fate_of({ id = mirror.id, reverse = mirror.reverse, acting = own.acting }, there, back)
        mirror.fate, mirror.moved, mirror.still = fate, own.moved ~= nil, own.halted ~= nil
        table.insert(found[fate], mirror)
    end
    return found
end

local words = {
    reversed = "reversed: it runs %s", ["as it was"] = "as it was: it runs %s", neither = "copied in NEITHER direction",
    both = "runs in BOTH directions: delete one of them, or its records go round in a loop",
}

local function show(run, state)
    local ways = { reversed = run.back, ["as it was"] = run.way }
    tables.write(io.stdout, {
        { "TOPICS", "topicsRegex", key = true },
        { "BATCH", function(mirror) return mirror.batch end },
        { "NOW", function(mirror)
            local stands_still = mirror.still and mirror.fate == "as it was"
            return stands_still and "not deleted, but stands still" or words[mirror.fate]:format(ways[mirror.fate])
        end, whole = true },
    }, state.mirrors)
end

-- Specifications by which mirrors that are copied in neither direction are created: from where their clients are.
local function specs_of(given, mirrors, moved)
    local source = moved and given.to or given.from
    local specs = {}
    for _, mirror in ipairs(mirrors) do
        if mirror.moved == moved then
            specs[#specs + 1] = successor.spec(given, mirror, { alias = source.alias, kafka = source.kafka },
                mirror.topicsRegex)
        end
    end
    return specs
end

-- Writes a file to create mirrors by, and gives the command.
local function way_to_create(run, neither, moved)
    local given = run.given
    local source, target = given.from, given.to
    if moved then source, target = target, source end
    local specs = specs_of(given, neither, moved)
    if #specs == 0 or not (source.kafka and target.connect) then return nil end
    local path = ("%s-%s.json"):format(run.path:gsub("%.json$", ""), source.alias .. "-to-" .. target.alias)
    if not changes.harmless() then
        files.write(path, json.encode(json.array(specs), true) .. "\n")
    end
    return ("%s, whose clients are in %s: %screate --cluster %s %s"):format(text.count(#specs, "mirror"), source.alias,
        again.prefix(true), target.connect, shell.word(path))
end

local function next_lines(run, found)
    local lines = {}
    local function add(label, line)
        if line then lines[#lines + 1] = ("%-17s%s"):format(label, line) end
    end
    for _, moved in ipairs({ false, true }) do
        add("To create again:", way_to_create(run, found.neither, moved))
    end
    local given, still = run.given, {}
    for _, mirror in ipairs(found["as it was"]) do
        still[#still + 1] = mirror.still and mirror or nil
    end
    add("To resume:", #still > 0 and halt.way_back(given.to.connect, still) or nil)
    if #found.reversed > 0 and run.runbook == "failover" then
        add("To fail back:", options.command("failback", given, { from = given.to_name, to = given.from_name,
            anew = true, failover = given.state and run.path }))
    end
    if #found["as it was"] > 0 then
        add("To begin anew:", options.command(run.runbook, given, { from = given.from_name, to = given.to_name }))
    end
    return lines
end

local function close(run, state, found)
    state.left = {}
    for _, fate in ipairs({ "as it was", "neither", "both" }) do
        table.move(found[fate], 1, #found[fate], #state.left + 1, state.left)
    end
    for _, mirror in ipairs(state.mirrors) do
        mirror.fate, mirror.moved, mirror.still = nil, nil, nil
    end
    state.mirrors, state.partial = json.array(found.reversed), true
    state.finished, state.abandoned = memory.time(), memory.time()
    memory.write(run.path, state)
end

local function look(run)
    local given = run.given
    local there, why = ids_of(run.forward, given.from, given.to)
    local back, why_back = ids_of(run.reverse, given.to, given.from)
    for _, problem in ipairs({ why, why_back }) do
        log.warn("a cluster does not answer, so what is told of it is what was noted down: %s", problem)
    end
    return there, back
end

--- Closes a failover that will not be finished, as it is: changes no mirror, says what is left, and what to do next.
---@param runbook "failover"|"failback"
---@param given table from options.read()
---@return integer exit status
---Raises usage when none is open.
function M.abandon(runbook, given)
    local path = given.state or memory.path(runbook, given.from, given.to)
    local state = saved.read(path, given.from, given.to)
    local way = ("%s -> %s"):format(given.from.alias, given.to.alias)
    if not saved.is_open(state) then
        refuse("there is no open %s %s to abandon (%s); nothing was changed", runbook, way,
            state and path .. " is of one that is over" or "there is no " .. path)
    end
    memory.hold(path)
    local forward = connect({ cluster = given.to.connect })
    local run = {
        runbook = runbook, given = given, path = path, way = way, forward = forward,
        back = ("%s -> %s"):format(given.to.alias, given.from.alias),
        reverse = given.from.connect and forward:on(given.from.connect),
    }
    local found = sort(state, look(run))
    show(run, state)
    print(("\n%s %s, open since %s: %s."):format(runbook:sub(1, 1):upper() .. runbook:sub(2), way, state.acting,
        how_far(state)))
    print(("%d reversed, %d as before, %d copied in neither direction, %d in both."):format(#found.reversed,
        #found["as it was"], #found.neither, #found.both))
    confirm.typed(("abandon the %s: it cannot be continued any more, and no mirror is changed"):format(runbook),
        given.from.alias)
    local lines = next_lines(run, found)
    if not changes.harmless() then close(run, state, found) end
    print(changes.harmless() and "Dry run: it would be closed. Nothing was changed."
        or "It is closed; no mirror was changed. Producers that were stopped for it are still stopped.")
    for _, line in ipairs(lines) do print(line) end
    return 0
end

return M

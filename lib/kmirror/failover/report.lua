--- The report of a failover or failback, for somebody who did not see it.

local accept = require("kmirror.failover.accept")
local again = require("kmirror.again")
local bulk = require("kmirror.bulk")
local changes = require("kmirror.changes")
local files = require("kmirror.file")
local gate = require("kmirror.failover.gate")
local health = require("kmirror.health")
local host = require("host")
local log = require("kmirror.log")
local options = require("kmirror.failover.options")
local parts = require("kmirror.failover.parts")
local profile = require("kmirror.profile")
local recopy = require("kmirror.failover.recopy")
local regions = require("kmirror.failover.regions")
local memory = require("kmirror.memory")
local missing = require("kmirror.failover.missing")
local summary = require("kmirror.summary")
local tables = require("kmirror.table")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")

local M = {}

-- ---- what may be missing -----------------------------------------------------------------------------------

-- Whether all mirrors were stopped: what one has copied is recorded by then, and before that now and then.
local function is_halted(state)
    for _, batch in ipairs(state.batches or {}) do
        if not batch.halted then return false end
    end
    return state.halted ~= nil or state.batches ~= nil
end

--- What was under way at the last look, and so may be lost with the source: counted where that could be done, else an
--- estimate.
---@param state table
---@return string
function M.loss(state)
    local counted = missing.sum(state)
    if counted and state.ends_seen then
        return ("%s %s: what was not copied of what %s's topics held at %s, when that was last looked at"):format(
            is_halted(state) and "at least" or "about", text.count(counted, "record"), state.from.alias,
            memory.time(state.ends_seen))
    elseif counted then
        return ("%s%s, counted at %s"):format(is_halted(state) and "" or "about ", text.count(counted, "record"),
            state.saved)
    end
    local mirrors = state.mirrors
    local records, lag, unknown = 0, 0, 0
    for _, mirror in ipairs(mirrors) do
        unknown = unknown + (health.lag(mirror) and health.is_measured(mirror) and 0 or 1)
        for _, topic in ipairs(health.topics(mirror)) do
            lag = math.max(lag, topic.averageLatency or 0)
            records = records + (topic.averageRate or 0) * (topic.averageLatency or 0) / 1000
        end
    end
    if unknown == #mirrors then
        return "nobody knows how many records: nothing was counted or measured"
    end
    return ("about %s, of the last %.1f s"):format(text.count(math.ceil(records), "record"), lag / 1000)
        .. (unknown > 0 and ("; no lag is known of %s"):format(text.count(unknown, "mirror")) or "")
end

local function some(names)
    local shown = table.concat(names, ", ", 1, math.min(5, #names))
    return #names > 5 and ("%s and %d more"):format(shown, #names - 5) or shown
end

local function about_counted(part)
    local state, from, to = part.state, part.from.alias, part.to.alias
    return { ("Nothing was written in %s from %s on, and of the %s of its topics none was left to be copied"):format(
        from, memory.time(state.still_since), text.count(state.counted, "record")),
        ("to %s when the first mirror was deleted."):format(to), state.groups and "Then: " .. state.groups .. "." }
end

local function about_averages(part)
    local state = part.state
    local lines = { ("Nothing was written in %s from %s on, and all had arrived in %s (highest lag %d ms)"):format(
        part.from.alias, memory.time(state.still_since), part.to.alias, state.drained_lag or 0),
        "before the first mirror was deleted." }
    local idle = regions.idle(state.mirrors)
    if #idle > 0 then
        lines[2] = lines[2] .. (" To %s nothing was written from the start, so"):format(text.count(#idle, "topic"))
        lines[3] = "that nothing shows whether their mirrors worked: " .. some(idle)
    end
    return lines
end

local function about_part(part)
    local state = part.state
    if not state.still_since then return { "Nothing shows that all had arrived." } end
    return state.counted and about_counted(part) or about_averages(part)
end

local function about_records(run, where)
    if run.state.mode == "disaster" then
        return ("Producers in %s were not waited for. May be missing in %s: %s."):format(run.from.alias, run.to.alias,
            M.loss(run.state))
    end
    local lines = {}
    for _, part in ipairs(run.parts) do
        if part.state.acting then
            lines[#lines + 1] = part.label and part.called:gsub("^b", "B") .. ":" or nil
            local its = about_part(part)
            table.move(its, 1, #its, #lines + 1, lines)
        end
    end
    for i, line in ipairs(lines) do lines[i] = text.message(line, where and where.width, 9) end
    return table.concat(lines, "\n         ")
end

-- ---- tables ------------------------------------------------------------------------------------------------

local step_columns = {
    { "TIME (UTC)", function(step)
        return os.date("!%H:%M:%S", math.floor(step.began))
    end },
    { "STEP", "title" },
    { "SECONDS", function(step)
        return ("%.1f"):format(step.seconds)
    end, align = "right" },
    { "OUTCOME", "outcome" },
}

local mirror_columns = {
    { "TOPICS", "topics", key = true },
    { "BATCH", "batch", spare = true },
    { "BEFORE", "before", spare = true },
    { "LAG ms", "lag_before", align = "right", spare = true },
    { "NEW MIRROR", "id", whole = true },
    { "NOW", "now", whole = true },
    { "LAG ms", "lag", align = "right" },
    { "TARGET", "target", align = "right", spare = true },
}

local function columns_of(run)
    local columns = table.move(mirror_columns, 1, #mirror_columns, 1, {})
    if #run.parts == 1 then table.remove(columns, 2) end
    return columns
end

local function row_of(part, before, after)
    return {
        topics = before.topicsRegex,
        batch = part.name or part.index,
        before = before.status or "unread",
        lag_before = health.lag(before),
        id = after.id,
        now = after.empty and "no topic" or after.dry and "no records" or after.status or "not created",
        lag = health.lag(after),
        target = after.targetLatency,
    }
end

-- A row for each mirror that the run has come to.
local function mirror_rows(run)
    local rows = {}
    for _, part in ipairs(run.parts) do
        for i, before in ipairs(part.state.acting and part.state.mirrors or {}) do
            rows[#rows + 1] = row_of(part, before, part.after and part.after[i] or {})
        end
    end
    return rows
end

-- ---- the whole ---------------------------------------------------------------------------------------------

local function all_after(run)
    local all, broken = {}, {}
    for _, part in ipairs(run.parts) do
        local its = gate.broken(part)
        table.move(its, 1, #its, #broken + 1, broken)
        table.move(part.after or {}, 1, #(part.after or {}), #all + 1, all)
    end
    return all, broken
end

local function not_begun(run)
    local left = {}
    for _, part in ipairs(run.parts) do left[#left + 1] = not part.state.acting and part or nil end
    return #left > 0 and ("Not begun: %s (%s)"):format(text.count(#left, "batch", "batches"), parts.words(left)) or nil
end

-- What earlier runs have brought over is looked at once more.
local function look_at_earlier(run)
    for _, part in ipairs(run.parts) do
        if part.state.over and not part.after then
            part.after = bulk.map(part.state.mirrors, function(before)
                local mirror = regions.read(run.reverse, { id = before.reverse, topicsRegex = before.topicsRegex })
                return mirror and (mirror.unread and { id = mirror.id, status = "unread" } or mirror)
                    or { id = before.reverse, status = "GONE", topicsRegex = before.topicsRegex }
            end, bulk.reads)
        end
    end
end

local function counted_of(run)
    local counted
    for _, part in ipairs(run.parts) do
        counted = part.state.counted and (counted or 0) + part.state.counted or counted
    end
    return counted
end

local function about_mirrors(run)
    local after, broken = all_after(run)
    if run.given.no_reverse then
        return ("The mirrors %s are deleted; none was created %s, as --no-reverse says."):format(run.way, run.back)
    elseif #after == 0 then
        return ("The mirrors %s are deleted, those %s are yet to be created: %s does not answer."):format(run.way,
            run.back, run.from.alias)
    end
    local counted = counted_of(run)
    return ("%d of %d new mirrors %s work.\n"
        .. "         IN_SYNC means caught up: the average latency of the last minute is not above the target.\n"
        .. "         %s"):format(#after - #broken, #after, run.back, counted
        and ("Of %d records 0 were left when the mirrors were reversed."):format(counted)
        or "The API does not count records.")
end

local function result(run)
    local over = #run.parts - #parts.left(run)
    local batches = #run.parts > 1 and ("%d of %d batches %s over%s.\n         "):format(over, #run.parts,
        over == 1 and "is" or "are", run.stopped and "; " .. run.stopped or "") or ""
    return batches .. about_mirrors(run)
end

local most_accepted = 5 -- that are named

local function about_accepted(run)
    local lines, accepted = {}, run.accepted
    for i = 1, math.min(most_accepted, #accepted) do
        local each = accepted[i]
        lines[i] = ("%s: mirror %s of '%s' %s"):format(each.kind, each.id, text.short(each.topicsRegex), each.message)
    end
    if #accepted > #lines then
        lines[#lines + 1] = ("and %d more, in %s"):format(#accepted - #lines, run.path)
    end
    return #lines > 0 and "Accepted: " .. table.concat(lines, "\n          ") or nil
end

-- The other runbook, the other way round.
local function way_back(run)
    local back = run.runbook == "failover" and "failback" or "failover"
    return options.command(back, run.given, {
        from = run.given.to_name,
        to = run.given.from_name,
        anew = true,
        failover = back == "failback" and run.path or nil,
    })
end

local function next_lines(run)
    if run.given.no_reverse and not run.reverse and not run.stopped then
        return { ("None can be created: no Kafka Connect cluster is known in %s."):format(run.from.alias) }
    elseif run.given.no_reverse and not run.stopped then
        return { again.line("To create them:  ", run:again()) }
    elseif not run.state.finished then
        return { again.line("To continue:     ", run:again()) }
    end
    local lines = { (run.runbook == "failover" and "To fail back:    " or "To fail over:    ") .. way_back(run) }
    if profile.current().sandbox then
        lines[2] = "                 (with a sandbox that keeps running; this one ends now)"
    end
    return lines
end

local function titled(run) return (run.runbook:gsub("^.", string.upper)) end

--- The report as text.
---@param run kmirror.failover.run
---@param where? kmirror.terminal tables fit into its width; nothing is cut without
---@return string
function M.text(run, where)
    local state = run.state
    local began = state.steps[1].began
    local lines = {
        ("%s %s, %s"):format(titled(run), run.way, state.mode),
        ("From %s to %s, %.0f seconds in %s, at %s."):format(memory.time(began), memory.time(), host.time() - began,
            text.count(state.runs, "run"), state.endpoint),
        "",
        "Result:  " .. result(run),
        "Records: " .. about_records(run, where),
    }
    local notes = { run.note }
    notes[#notes + 1] = recopy.words(run)
    for i, note in ipairs(notes) do
        lines[#lines + 1] = (i == 1 and "Note:    " or "         ") .. text.message(note, where and where.width, 9)
    end
    lines[#lines + 1] = about_accepted(run)
    table.move({ "", tables.aligned(step_columns, state.steps, where),
        tables.aligned(columns_of(run), mirror_rows(run), where),
        "Previous state:  " .. run.path }, 1, 4, #lines + 1, lines)
    local rest = not_begun(run)
    if rest then table.insert(lines, #lines, rest .. "\n") end
    local following = next_lines(run)
    table.move(following, 1, #following, #lines + 1, lines)
    return table.concat(lines, "\n") .. "\n"
end

-- ---- the end -----------------------------------------------------------------------------------------------

local ends_by_itself = { CREATING = true, OUT_OF_SYNC = true, IN_SYNC = true, GONE = true }

local function problem_of(mirror)
    local problem, kind = health.problem(mirror)
    return (kind == "connector" or kind == "failed") and problem or "is " .. tostring(mirror.status)
end

-- Names what does not work, and what to do about it.
local function complain(run)
    local _, broken = all_after(run)
    for _, mirror in ipairs(broken) do
        local but = mirror.empty and ", but lists no topic" or mirror.dry and ", but carries no records" or ""
        log.error("mirror %s of '%s' %s%s", mirror.id, text.short(mirror.topicsRegex), problem_of(mirror), but)
        if health.has_failed(mirror) or not ends_by_itself[mirror.status] then
            log.error("  when you know why: kmirror delete --cluster %s %s, then continue as below", run.from.connect,
                mirror.id)
        end
    end
end

local function write(path, content)
    local ok, problem = pcall(files.write, path, content)
    if not ok then
        log.error("cannot write the report: %s", problem)
        host.lost_output()
    end
end

-- The very last hook: it cannot stop anything any more.
local function tell_done(run, status)
    local context = run:context()
    context.KMIRROR_STATUS = status
    context.KMIRROR_REPORT = run.given.report_text or ""
    local told, problem = pcall(run.given.hooks.run, run.given.hooks, "done", context)
    if not told and type(problem) == "table" then
        error(problem, 0)
    elseif not told then
        log.error("%s", problem)
    end
    return told
end

local function finish_dry_run(run)
    run.given.hooks:run("done", run:context())
    local deleted, created = run:counted()
    print(("\nDry run: %s; %s would be deleted, %d created%s. Nothing was changed."):format(run.way,
        text.count(deleted, "mirror"), created, #run.parts > 1 and (", in %d batches (%s)"):format(#run.parts,
        parts.words(run.parts)) or ""))
    local words = recopy.words(run)
    if words then print(text.message(words, terminal.of(io.stdout).width, 0)) end
    print("The present state would be saved in " .. run.path)
    return 0
end

--- Writes the report, and runs the hook `done`.
---@param run kmirror.failover.run
---@return integer exit status: 0, or 3 when something is left to do
function M.finish(run)
    if changes.planned() then return finish_dry_run(run) end
    look_at_earlier(run)
    complain(run)
    local after, broken = all_after(run)
    local works = #after == #run.state.mirrors and #broken == 0
    run.state.finished = works and memory.time() or nil
    run:save()
    local is_done = works or run.given.no_reverse and not run.stopped
    local status = is_done and 0 or 3
    io.stdout:write("\n", M.text(run, terminal.of(io.stdout)))
    summary.note(("%s %s, %s\n%s"):format(titled(run), run.way, run.state.mode, (result(run):gsub("\n +", "\n"))))
    local accepted = accept.words(run.accepted)
    if accepted then summary.note(accepted) end
    summary.note("Previous state: " .. run.path)
    if run.given.report_text then write(run.given.report_text, M.text(run)) end
    return tell_done(run, status) and status or 3
end

return M

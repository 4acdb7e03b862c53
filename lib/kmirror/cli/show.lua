local files = require("kmirror.file")
local fleet = require("kmirror.fleet")
local json = require("kmirror.json")
local meant = require("mirrors").fields.meant
local shelf = require("kmirror.cli.shelf")
local refuse = require("kmirror.usage")

local function refuse_unknown(name)
    local known = {}
    for _, entry in ipairs(shelf.list()) do known[entry.name] = true end
    refuse("no runbook '%s' ships with kmirror, and there is no saved plan of that name; kmirror run --list lists "
        .. "the runbooks%s", name, meant(name, known))
end

-- Tells how it was made, on stderr, so that what goes into a file is as kmirror plan prints it.
local function show_plan(plan, is_json)
    local made = plan.made
    if is_json then
        local shape = fleet.shape(plan)
        shape.made, shape.digest = made, plan.digest
        io.stdout:write(json.encode(shape, true), "\n")
        return
    end
    io.stderr:write(("Made at %s by kmirror %s from %s, for %s as %s.\nDigest %s.\n\n"):format(made.at, made.by,
        made.fleet, made.account.endpoint, made.account.username or "nobody", plan.digest))
    fleet.warn(plan)
    fleet.show(io.stdout, plan)
end

---@type kmirror.command
return {
    name = "show",
    summary = "Print a runbook that ships, or a saved plan.",
    details = [[
A runbook, or an entry of the cookbook, to read it, or to start from it: kmirror
show lag > lag.lua. Which there are is told by kmirror run --list.

A plan that kmirror plan -o has saved is printed as kmirror plan prints it, or
with --json, with "made" and "digest" besides. Nothing is sent.]],
    sets = { "results", "messages" },

    define = function(parser)
        parser:argument("RUNBOOK", "Name of a shipped runbook, of one of the cookbook, or of a saved plan's file.")
            :argname("RUNBOOK|PLAN"):target("runbook")
    end,

    run = function(options)
        local source = shelf.source(options.runbook)
        if source and options.json then
            refuse("a runbook is no JSON: kmirror show %s prints it; --json is for saved plans", options.runbook)
        elseif source then
            io.stdout:write(source)
            return 0
        end
        local plan = files.exists(options.runbook) and fleet.saved.read(options.runbook)
        if not plan then refuse_unknown(options.runbook) end
        show_plan(plan, options.json)
        return 0
    end,
}

local again = require("kmirror.again")
local fleet = require("kmirror.fleet")
local json = require("kmirror.json")
local log = require("kmirror.log")
local planning = require("kmirror.cli.planning")
local shell = require("kmirror.shell")
local refuse = require("kmirror.usage")

local changes_pending <const> = 4

local function is_settled(plan)
    return fleet.size(plan) == 0 and #plan.blocked == 0
end

-- A plan is kept in a file of its own, and made of one.
local function check_names(given)
    if given.out == "-" or given.out == "" then
        refuse("-o: expected the name of a file, in which the plan is kept for kmirror apply")
    elseif given.out == given.fleet then
        refuse("-o %s is the fleet file itself; give the plan another name", given.out)
    elseif given.fleet == "-" then
        refuse("a plan of standard input cannot be kept: kmirror apply reads its fleet file again, for the passwords")
    elseif given.out:find("%.lua$") or given.out:find("%.csv$") then
        refuse("-o %s: a name that ends so is a fleet file's; give the plan another, such as night.plan", given.out)
    end
    fleet.saved.check_target(given.out)
end

local function keep(given, plan, api)
    fleet.saved.write(given.out, plan, planning.made(given, plan, api))
    log.info("the plan is in %s; to carry out just that: %sapply %s", given.out, again.prefix(true),
        shell.word(given.out))
end

return {
    name = "plan",
    summary = "Compare a fleet file with the clusters.",
    details = [[
Shows what kmirror apply would create (+), retune (~) and delete (-), and what
it would leave for you to settle (!); changes nothing. A mirror is known by its
cluster, its source's alias and its topics. Mirrors that the file does not have
stay, unless --prune is given; it concerns the clusters that the file has
mirrors into. With --cluster (but not by KMIRROR_CLUSTER) only that cluster is
looked at. The format of the file: kmirror help fleet.

With -o FILE the plan is kept in a file: kmirror show FILE prints it, and
kmirror apply FILE carries out just that. No password is in it.

Exit status: 0; with --exit-code 4 when there is anything to change or to
settle. A plan that deletes more than --max-delete is shown, and refused (2).

With --json: {"create", "retune", "delete", "blocked", "unlisted", "unclear",
"unchanged", "notCompared", "warnings"}. A change has the API's field names,
"cluster", and for a mirror of the file its "line"; one to retune has
"oldTargetLatency", too; a blocked one has "reason" and what was "found".]],
    sets = { "connection", "times", "results", "messages" },

    define = function(parser)
        planning.define(parser, parser:flag("--exit-code", "Exit with 4 when there is anything to do."),
            parser:option("-o --out", "Keep the plan in this file, for kmirror apply."):argname("FILE"))
    end,

    run = function(given)
        if given.out then check_names(given) end
        local plan, api = planning.plan(given)
        if given.json then
            io.stdout:write(json.encode(fleet.shape(plan), true), "\n")
        else
            fleet.show(io.stdout, plan)
        end
        fleet.guard(plan, planning.most(given))
        if given.out then keep(given, plan, api) end
        return given.exit_code and not is_settled(plan) and changes_pending or 0
    end,
}

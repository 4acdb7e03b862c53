local fleet = require("kmirror.fleet")
local json = require("kmirror.json")
local planning = require("kmirror.cli.planning")

local changes_pending <const> = 4

local function is_settled(plan)
    return fleet.size(plan) == 0 and #plan.blocked == 0
end

return {
    name = "plan",
    arguments = "FLEET",
    summary = "Compare a fleet file with the clusters.",
    details = [[
Shows what kmirror apply would create (+), retune (~) and delete (-), and what
it would leave for you to settle (!); changes nothing. A mirror is known by its
cluster, its source's alias and its topics. Mirrors that the file does not have
stay, unless --prune is given; it concerns the clusters that the file has
mirrors into. With --cluster (but not by KMIRROR_CLUSTER) only that cluster is
looked at. The format of the file: kmirror help fleet.

Exit status: 0; with --exit-code 4 when there is anything to change or to
settle. A plan that deletes more than --max-delete is shown, and refused (2).

With --json: {"create", "retune", "delete", "blocked", "unlisted", "unclear",
"unchanged", "notCompared", "warnings"}. A change has the API's field names,
"cluster", and for a mirror of the file its "line"; one to retune has
"oldTargetLatency", too; a blocked one has "reason" and what was "found".]],
    sets = { "connection", "results", "messages" },

    define = function(parser)
        planning.define(parser, parser:flag("--exit-code", "Exit with 4 when there is anything to do."))
    end,

    run = function(given)
        local plan = planning.plan(given)
        if given.json then
            io.stdout:write(json.encode(fleet.shape(plan), true), "\n")
        else
            fleet.show(io.stdout, plan)
        end
        fleet.guard(plan, given.max_delete)
        return given.exit_code and not is_settled(plan) and changes_pending or 0
    end,
}

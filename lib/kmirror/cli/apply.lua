local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local fleet = require("kmirror.fleet")
local json = require("kmirror.json")
local log = require("kmirror.log")
local options = require("kmirror.options")
local planning = require("kmirror.cli.planning")
local task = require("task")
local text = require("kmirror.text")

local fresh = 5 -- seconds for which a plan is taken to be true

-- What a plan does, to compare it with another.
local function signature(plan)
    local shape = fleet.shape(plan)
    return json.encode({ shape.create, shape.retune, shape.delete })
end

-- Asks; when that took its time, makes sure that the plan is still true.
local function ask(plan, again)
    local shown = task.now()
    confirm.typed(("apply: create %s, retune %d, delete %d"):format(text.count(#plan.create, "mirror"), #plan.retune,
        #plan.delete), "apply", nil, fleet.text(plan))
    if task.now() - shown > fresh and signature(again()) ~= signature(plan) then
        error("the mirrors have changed since the plan was shown; nothing was changed: run it again", 0)
    end
end

local function status_of(plan, result)
    local done = #result.created + #result.retuned + #result.deleted
    local left = #result.failed + #result.skipped + #plan.blocked
    if left == 0 then return 0 end
    return #result.failed > 0 and done == 0 and 1 or 3
end

local same_again = "run the same command again to continue: what is done is not done twice"

local function show(plan, result, again)
    local would = changes.planned() and "would be " or ""
    io.stdout:write(("%d %screated, %d %sretuned, %d %sdeleted, in %.1f seconds.\n"):format(#result.created, would,
        #result.retuned, would, #result.deleted, would, result.seconds))
    local failed, skipped = #result.failed, #result.skipped
    if failed + skipped > 0 then
        log.error("%d failed, %d not tried; %s", failed, skipped, again and "to continue, " .. again or same_again)
    end
    if #plan.blocked > 0 then
        log.error("%d left to settle by hand; see kmirror plan", #plan.blocked)
    end
end

local function carry_out(given, plan, api, again)
    local result = fleet.apply(api, plan, { wait = given.wait, canary = given.canary, again = again })
    if given.json then
        io.stdout:write(json.encode(fleet.result_shape(result), true), "\n")
    elseif fleet.size(plan) > 0 then
        show(plan, result, again)
    end
    return status_of(plan, result)
end

local function present(given, plan, saved)
    io.stderr:write("\n")
    fleet.show(io.stderr, plan)
    io.stderr:write("\n")
    fleet.guard(plan, planning.most(given, saved))
end

local function plan_and_carry_out(given)
    local plan, api, make_again = planning.plan(given)
    present(given, plan)
    if fleet.size(plan) > 0 then ask(plan, make_again) end
    return carry_out(given, plan, api)
end

-- It was looked at when it was made: nobody is asked.
local function carry_out_saved(given, saved)
    local plan, api = planning.saved(given, saved)
    log.info("%s: as planned at %s, from %s; nothing has changed since", given.fleet, saved.made.at, saved.made.fleet)
    present(given, plan, saved)
    local summary = ("apply: the plan of %s, digest %s\n\n%s"):format(saved.made.at, saved.digest, fleet.text(saved))
    if confirm.approval(summary, { optional = true }) then
        plan, api = planning.saved(given, saved) -- what was approved must still be true
    end
    return carry_out(given, plan, api, planning.to_continue(given, saved))
end

return {
    name = "apply",
    summary = "Make the clusters match a fleet file, or a saved plan.",
    details = [[
Shows the plan (see kmirror help plan), asks, and carries it out: creates
mirrors, waits until they are up, sets target latencies, and deletes, with
--prune, only when nothing has failed. FAILED and STALE_TOPIC are failures.
After three failures nothing new is begun. A second run repeats nothing
that is done. At the end the lists of the clusters show it all: the next plan
is empty.

FLEET may be a plan that kmirror plan -o has saved. Then just that is done,
unasked, as it was looked at before; if anything has changed since (a mirror, a
target latency, the fleet file, the account), it is refused with what that is,
and nothing is sent (2). Passwords are taken from where the fleet file says.
After a failure such a plan is stale, unless it ran with --job: then kmirror
jobs resume continues it.

Exit status: 0; 1 when nothing could be done; 3 when a part is done, or is left
to settle by hand.

With --json: {"created", "retuned", "deleted", "failed", "skipped"}: changes as
in kmirror plan, with "id" and "status" where there is one; one that failed has
"error": {"kind", "message"}.]],
    sets = { "connection", "safety", "job", "times", "results", "messages" },

    define = function(parser)
        planning.define(
            parser,
            parser:option("--canary", "Create N first, the others when these are up."):argname("N")
                :convert(options.integer("--canary", "a whole number, 1 or more", 1)),
            parser:option("--wait", "How long new mirrors have to come up.", "600"):argname("SECONDS")
                :convert(options.number("--wait", "seconds, 0 or more", 0))
        )
    end,

    run = function(given)
        local saved = fleet.saved.read(given.fleet)
        return saved and carry_out_saved(given, saved) or plan_and_carry_out(given)
    end,
}

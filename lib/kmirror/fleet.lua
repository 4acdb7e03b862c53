--- fleet: the mirrors that there should be, in a file; what to change to get there; and doing it.
---
--- `kmirror help fleet` describes the format of the file.

local apply = require("kmirror.fleet.apply")
local drift = require("kmirror.fleet.drift")
local export = require("kmirror.fleet.export")
local fields = require("mirrors").fields
local plan = require("kmirror.fleet.plan")
local show = require("kmirror.fleet.show")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")
local wanted = require("kmirror.fleet.wanted")

local M = {
    format = require("kmirror.fleet.format"), -- of a fleet file, in words
    migration = require("kmirror.fleet.migration"), -- the mirrors of one, hundreds at a time
    saved = require("kmirror.fleet.saved"), -- plans in files
    stale = require("kmirror.fleet.stale"), -- whether these are still true
}

--- Reads a fleet file: .lua, .json or .csv; "-" is JSON on standard input. Raises usage with file, line, field and what
--- was expected, for all mistakes at once.
---@type fun(path: string): kmirror.fleet
M.read = wanted.read

--- Compares a fleet with what is there; see kmirror.fleet.plan for what it finds. Each cluster is listed once; mirrors
--- are asked for only where the list does not tell enough. Raises what the API raises, and usage for what the file has
--- too little of to create a mirror, for regexes that are broken, and for loops.
---@type fun(api: mirrors.Api, fleet: kmirror.fleet, options?: kmirror.fleet.plan_options): kmirror.fleet.plan
M.plan = plan.make

--- How many changes a plan has.
---@type fun(plan: kmirror.fleet.plan): integer
M.size = plan.size

--- Raises usage when a plan deletes more mirrors than that.
---@param made kmirror.fleet.plan
---@param most integer
function M.guard(made, most)
    if #made.delete > most then
        refuse("the plan deletes %s, more than %d: nothing was changed; if that is meant, give --max-delete %d",
            text.count(#made.delete, "mirror"), most, #made.delete)
    end
end

--- Writes a plan for people.
---@type fun(file: file*, plan: kmirror.fleet.plan)
M.show = show.write

--- A plan for people, as a text.
---@type fun(plan: kmirror.fleet.plan): string
M.text = show.text

--- Says on stderr what may not be meant by a plan.
---@type fun(plan: kmirror.fleet.plan)
M.warn = show.warn

--- A plan for programs.
---@type fun(plan: kmirror.fleet.plan): table
M.shape = show.shape

--- In what a mirror differs from what the file says, in words: "maxTasks 3, not 5". A plan has them with its mirrors
--- that are blocked because they differ.
---@type fun(differences: kmirror.fleet.difference[]): string
M.differences = drift.words

--- Does what a plan says: creates, waits until the new mirrors are up, sets target latencies, and deletes only
--- when nothing failed; then waits until the lists of the clusters show it, so that the next plan is empty. Failures
--- of single changes are logged and returned; after three of a kind nothing new is begun. Raises what ends the run
--- as a whole: `cancelled`, `read_only`, `unauthorized`. Under --dry-run it does not wait.
---@type fun(api: mirrors.Api, plan: kmirror.fleet.plan, options?: kmirror.fleet.apply_options): kmirror.fleet.result
M.apply = apply.run

--- What a run of apply came to, for programs.
---@type fun(result: kmirror.fleet.result): table
M.result_shape = show.result_shape

--- A fleet file of what is there on clusters, notes on what is not in it, and { mirrors, left_out, whole }: how many
--- are in it and not, and whether the API tells whole specifications. Raises what the API raises, and usage for a
--- cluster that is not known.
---@type fun(api: mirrors.Api, clusters: string[], format: "lua"|"json"|"csv"): string, string[], table
M.export = export.write

--- A fleet file, in Lua, of mirrors in full, by which apply creates them anew; nil where the API does not tell enough
--- of them for that, as version 1 does not. And notes on what is not in it.
---@type fun(mirrors: table[]): string|nil, string[]
M.file_of = export.of

-- ---- what the arguments may be --------------------------------------------------------------------------

local a_fleet = fields.made("a fleet, as fleet.read() makes it", "document", "mirrors")
local made = fields.made("a plan, as fleet.plan() makes it", "create", "retune", "delete", "blocked")
local result = fields.made("a result, as fleet.apply() returns it",
    "created", "retuned", "deleted", "failed", "skipped")
local plan_options = fields.options({ prune = fields.boolean, cluster = fields.uuid })
local apply_options = fields.options({
    wait = fields.number(0, "seconds"), canary = fields.integer(1), again = fields.string,
})

return fields.guard("fleet", M, {
    read = { "path", fields.text },
    plan = { "api", fields.api, "fleet", a_fleet, "options?", plan_options },
    size = { "plan", made },
    guard = { "made", made, "most", fields.integer(0) },
    show = { "file", fields.file, "plan", made },
    text = { "plan", made },
    warn = { "plan", made },
    shape = { "plan", made },
    differences = { "differences", fields.list(fields.table) },
    apply = { "api", fields.api, "plan", made, "options?", apply_options },
    file_of = { "mirrors", fields.list(fields.table) },
    result_shape = { "result", result },
    export = {
        "api", fields.api, "clusters", fields.list(fields.string, "a list of clusters"), "format",
        fields.one_of("lua", "json", "csv"),
    },
})

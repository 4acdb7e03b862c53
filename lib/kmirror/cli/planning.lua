--- planning: what plan and apply share: a fleet file, the API, and a plan made of both.

local connect = require("kmirror.connect")
local fleet = require("kmirror.fleet")
local log = require("kmirror.log")
local options = require("kmirror.options")
local profile = require("kmirror.profile")

local M = {}

--- The arguments and options of both, and those that are given besides.
---@param parser table
---@param ... table options of the command's own
function M.define(parser, ...)
    parser:argument("FLEET", "A fleet file: .lua, .json or .csv; - is JSON on standard input.")
        :argname("FLEET"):target("fleet")
    parser:group(
        "Plan",
        parser:flag("--prune", "Delete mirrors that are not in the file, too."),
        parser:option("--max-delete", "Refuse to delete more than that.", "10"):argname("N")
            :convert(options.integer("--max-delete", "a whole number, 0 or more", 0)),
        ...
    )
end

--- Reads the file and compares it with what is there.
---@param given table
---@return kmirror.fleet.plan
---@return mirrors.Api
---@return fun(): kmirror.fleet.plan again compares once more
function M.plan(given)
    local wanted = fleet.read(given.fleet)
    if #wanted.mirrors == 0 then
        log.warn("%s: there is no mirror in it: nothing is compared with what is there", given.fleet)
    end
    local api = connect(true) -- the clusters are those of the file
    local function make()
        return fleet.plan(api, wanted, {
            prune = given.prune,
            cluster = given.cluster and profile.connect_cluster(given.cluster),
        })
    end
    local plan = make()
    fleet.warn(plan)
    return plan, api, make
end

return M

--- doctor: looks at all that a run needs, one thing after another, and says of each how it is and what to do about it.
--- It changes nothing, here or there.

local M = {}

---@alias kmirror.doctor.state
---| "ok"
---| "warn"  # a run works, but not as well as it could
---| "fail"  # a run does not work
---| "skip"  # not looked at

---@class kmirror.doctor.finding
---@field check string what was looked at
---@field state kmirror.doctor.state
---@field found string
---@field remedy string|nil what to do

---@class kmirror.doctor.case what the checks share
---@field given table options of the command line
---@field prepare fun(given: table) sets up how the API is reached; raises what is wrong with it
---@field findings kmirror.doctor.finding[]
---@field profile_name string|nil
---@field profile table of the configuration file, empty when there is none
---@field refused? boolean the configuration file, or the profile: what it holds is not known
---@field endpoint string|nil base URL; nil when it is not known, or wrong
---@field prepared boolean the command line could be set up
---@field problem string|nil why it could not
---@field blamed_settings? boolean for that, by a finding of its own
---@field own? mirrors.ConnectCluster the cluster that is used, where it runs Kafka Connect of one's own
---@field reached boolean the API's server has answered
local Case = {}
Case.__index = Case

---@param check string
---@param state kmirror.doctor.state
---@param found string
---@param remedy string|nil
function Case:note(check, state, found, remedy)
    self.findings[#self.findings + 1] = { check = check, state = state, found = found, remedy = remedy }
end

--- Whether one of the findings so far is that bad.
---@param state kmirror.doctor.state
---@return boolean
function Case:has(state)
    for _, finding in ipairs(self.findings) do
        if finding.state == state then return true end
    end
    return false
end

-- In this order: what fails early makes what comes later moot.
local checks = { "configuration", "network", "account", "store" }

--- Looks at everything.
---@param given table options of the command line
---@param prepare fun(given: table) sets up how the API is reached, as for any command
---@return kmirror.doctor.finding[]
---@return boolean well nothing has failed
function M.examine(given, prepare)
    local case = setmetatable({
        given = given, prepare = prepare, findings = {}, profile = {}, prepared = false, reached = false,
    }, Case)
    for _, name in ipairs(checks) do require("kmirror.doctor." .. name)(case) end
    return case.findings, not case:has("fail")
end

return M

--- cli.completion.candidates: what may stand in some place of the command line: from the configuration, the store of
--- jobs and the shipped runbooks; never from the network.

local config = require("kmirror.config")
local definitions = require("kmirror.cli.definitions")
local host = require("host")
local jobs = require("kmirror.jobs")
local stores = require("kmirror.store")

local M = {}

---@class kmirror.candidate
---@field [1] string the word
---@field [2] string|nil what it means

local function sorted(candidates)
    table.sort(candidates, function(a, b) return a[1] < b[1] end)
    return candidates
end

local function variable(name)
    local value = os.getenv(name)
    return value ~= "" and value or nil
end

local function words_of(list)
    local candidates = {}
    for i, word in ipairs(list) do candidates[i] = { word } end
    return candidates
end

-- "bash|zsh|fish" says it all.
local function split(placeholder)
    local words = {}
    for word in placeholder:gmatch("%l+") do words[#words + 1] = word end
    return words
end

-- The clusters of the profile that the line so far, the environment or the file chooses.
local function known_clusters(given)
    if given["--sandbox"] then return require("kmirror.sandbox").clusters end
    local _, profile = config.choose(given["--profile"] or variable("KMIRROR_PROFILE"))
    return profile.clusters or {}
end

function M.clusters(given)
    local candidates = {}
    for name, cluster in pairs(known_clusters(given)) do
        candidates[#candidates + 1] = { name, cluster.connect and "Kafka Connect " .. cluster.connect }
    end
    return sorted(candidates)
end

function M.profiles()
    local candidates = {}
    local path = config.path()
    for name, profile in pairs(path and config.read(path).profiles or {}) do
        candidates[#candidates + 1] = { name, profile.endpoint }
    end
    return sorted(candidates)
end

-- A store is looked at only when it is there already: to complete a word must not make one.
function M.jobs(given)
    local url = jobs.store_of({
        store = given["--store"], profile = given["--profile"], sandbox = given["--sandbox"] --[[@as boolean]],
    })
    local path = stores.file_of(url)
    local file <close> = path and io.open(path, "rb")
    if not file then return {} end
    local store = stores.open(url)
    local candidates = {}
    for i, job in ipairs(store:jobs()) do candidates[i] = { job.name, job.script } end
    store:close()
    return candidates
end

function M.runbooks()
    local candidates = {}
    for i, name in ipairs(host.scripts()) do
        local runbook = definitions.runbook(name)
        candidates[i] = { name, runbook and runbook.summary or "runbook" }
    end
    return candidates
end

-- The cookbook's, too.
function M.shelf()
    local candidates = {}
    for i, entry in ipairs(require("kmirror.cli.shelf").list()) do
        candidates[i] = { entry.name, entry.summary }
    end
    return candidates
end

function M.commands()
    local candidates = {}
    for i, name in ipairs(require("kmirror.cli.commands").names) do
        candidates[i] = { name, definitions.command(name).summary }
    end
    return candidates
end

function M.fault_plans()
    return words_of(require("kmirror.sandbox").fault_plans())
end

--- The options that may follow.
---@param options kmirror.definition.option[]
---@return kmirror.candidate[]
function M.options(options)
    local candidates = {}
    for _, option in ipairs(options) do
        candidates[#candidates + 1] = { option.names[#option.names], option.description }
    end
    return sorted(candidates)
end

-- By option or argument; a name of an option comes before its placeholder.
local by_name = { ["--profile"] = M.profiles, ["--job"] = M.jobs, ["--faults"] = M.fault_plans }
local by_placeholder = {
    ["UUID|NAME"] = M.clusters, ["UUID|NAME|all"] = M.clusters, REGION = M.clusters, JOB = M.jobs, SCRIPT = M.runbooks,
    COMMAND = M.commands, RUNBOOK = M.shelf,
}
local file_names = { FILE = true, FLEET = true, LIST = true, SCRIPT = true }

--- What may be the value of an option or an argument.
---@param name string|nil of the option
---@param element table with placeholder and choices
---@param given table<string, string|boolean> options that stand before it
---@return kmirror.candidate[]
---@return boolean files file names are fine, too
function M.values(name, element, given)
    local placeholder = element.placeholder or ""
    local from = by_name[name] or by_placeholder[placeholder]
    local choices = element.choices or placeholder:find("^%l[%l|]*|%l+$") and split(placeholder)
    local candidates = choices and words_of(choices) or from and from(given) or {}
    local files = false
    for word in placeholder:gmatch("%u+") do files = files or file_names[word] or false end
    return candidates, files
end

return M

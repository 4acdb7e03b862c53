--- history: a trail of the runs that changed something, in `$XDG_STATE_HOME/kmirror/history`: a line of JSON for each,
--- written before its first change is sent, and once more, in its place, when it has ended. What a run that is killed
--- leaves is the first.
---
--- The file is its owner's alone, and is put aside as history.1 when it is large; what was there before goes then.

local changes = require("kmirror.changes")
local ended = require("kmirror.ended")
local files = require("kmirror.file")
local host = require("host")
local json = require("kmirror.json")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local state = require("kmirror.state")
local text = require("kmirror.text")

local M = {}

local largest = 1 << 20 -- bytes of the file
local patience = 5 -- seconds that another process may hold the lock

---@class kmirror.history.count
---@field done integer
---@field failed integer

---@class kmirror.history.run
---@field id string
---@field began number seconds since the epoch, as all times here
---@field ended number|nil
---@field status integer|nil exit status
---@field problem string|nil why it failed
---@field user string of the system
---@field host string
---@field pid integer
---@field process string|nil when that process began, which its number alone does not tell
---@field version string of kmirror
---@field directory string|nil where it ran
---@field command string of kmirror
---@field runbook string|nil
---@field arguments string[] of the runbook or the command, without secrets
---@field account string|nil
---@field endpoint string|nil
---@field profile string|nil
---@field cluster string|nil
---@field job string|nil
---@field reason string|nil
---@field changes table<string, kmirror.history.count> by operation

-- ---- the file ---------------------------------------------------------------------------------------------

local function path_in(directory)
    return directory .. "/history"
end

local function content_of(path)
    local file <close> = io.open(path, "rb")
    return file and file:read("a") or ""
end

-- The prompt kept what was typed under that name once.
local function make_way(directory)
    local path, prompt = path_in(directory), directory .. "/prompt-history"
    local file <close> = io.open(path, "rb")
    local is_other = file and not (file:read(2) or '{"'):find('^{"')
    if is_other then os.rename(path, content_of(prompt) == "" and prompt or path .. ".old") end
end

-- To open a pipe would wait for whoever writes to it.
local function is_no_file(path)
    return files.is_stream(path) and path .. " is a pipe or a device; remove it, and a file takes its place"
end

-- With the file for this process alone. Raises why that cannot be.
local function locked(work)
    local directory, problem = state.directory()
    if not directory then error(problem, 0) end
    local path = path_in(directory)
    if is_no_file(path) then error(is_no_file(path), 0) end
    local lock <close>, why = host.lock(path .. ".lock", patience)
    if not lock then error(("%s.lock: %s"):format(path, why), 0) end
    make_way(directory)
    return work(path)
end

local function is_line_of(line, id)
    return line:find(('"id":"%s"'):format(id), 1, true) ~= nil
end

-- Puts a line in the place of that of the same run; false when there is none.
local function replace(path, id, line)
    local found, lines = false, {}
    for each in content_of(path):gmatch("[^\n]+") do
        local is_it = is_line_of(each, id)
        found = found or is_it
        lines[#lines + 1] = is_it and line or each
    end
    if found then files.write(path, table.concat(lines, "\n") .. "\n") end
    return found
end

local function append(path, line)
    if #content_of(path) + #line > largest then assert(os.rename(path, path .. ".1")) end
    local made, problem = host.lock(path) -- which makes it, if need be, for its owner alone
    if made then made:close() end
    local file <close>, why = files.append(path)
    if not file then error(why or problem, 0) end
    local content = content_of(path)
    local begins = content ~= "" and content:sub(-1) ~= "\n" and "\n" or "" -- behind one that was cut short
    local ok, failure = file:write(begins, line, "\n")
    if not ok then error(("%s: %s"):format(path, failure), 0) end
end

local warned = false

-- A run does not fail because of its trail.
local function write(run)
    local ok, problem = pcall(locked, function(path)
        local line = json.encode(run)
        local is_there = run.ended and (replace(path, run.id, line) or replace(path .. ".1", run.id, line))
        if not is_there then append(path, line) end
    end)
    if not ok and not warned and state.path() then -- without a home there is nothing to keep it in
        warned = true
        log.warn("the history of runs could not be written: %s", tostring(problem))
    end
end

-- ---- a run ------------------------------------------------------------------------------------------------

-- When a process began, in the kernel's ticks; nil when there is none of that number.
local function beginning_of(pid)
    local fields = content_of(("/proc/%d/stat"):format(pid)):match("^.*%)%s+(.*)$")
    local at = 3
    for field in (fields or ""):gmatch("%S+") do
        if at == 22 then return field end
        at = at + 1
    end
end

local function new_id()
    return (host.random(8):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

---@class kmirror.history.recorder what a run has changed so far
---@field about table of the run, as kmirror.history.run has it
---@field kept boolean whether it leaves a line
---@field run kmirror.history.run|nil once it has changed something
---@field changes table<string, kmirror.history.count>
local Recorder = {}
Recorder.__index = Recorder

--- For a run that has not begun.
---@param about table what is known of it: command, runbook, arguments, account, ...
---@param kept boolean whether it leaves a line; counts are kept in any case
---@return kmirror.history.recorder
function M.recorder(about, kept)
    return setmetatable({ about = about, kept = kept, changes = {} }, Recorder)
end

-- Before the first change is sent.
local function begin(recorder)
    recorder.run = {
        id = new_id(), began = host.time(), user = host.user(), host = host.machine(), pid = host.process(),
        process = beginning_of(host.process()), version = host.version, directory = host.directory(),
        changes = recorder.changes,
    }
    for name, value in pairs(recorder.about) do recorder.run[name] = value end
    if recorder.kept then write(recorder.run) end
end

local function count_of(recorder, operation)
    recorder.changes[operation] = recorder.changes[operation] or { done = 0, failed = 0 }
    return recorder.changes[operation]
end

local change_ends = { __close = function(change)
    local count = count_of(change.recorder, change.operation)
    count[change.ok and "done" or "failed"] = count[change.ok and "done" or "failed"] + 1
end }

--- Sends a change, and counts it.
---@param operation string
---@param send fun(): any
---@return any
---Raises what `send` raises.
function Recorder:send(operation, send)
    if not self.run then begin(self) end
    local change <close> = setmetatable({ recorder = self, operation = operation, ok = false }, change_ends)
    local result = send()
    change.ok = true
    return result
end

--- It has ended.
---@param status integer exit status
---@param problem string|nil why it failed
function Recorder:finish(status, problem)
    if not self.run then return end
    self.run.ended, self.run.status = host.time(), status
    self.run.problem = problem and text.short(text.valid(problem)) or nil
    if self.kept then write(self.run) end
end

--- What was changed, in words: "12 creates, 1 delete (2 failed)".
---@param counts table<string, kmirror.history.count>
---@return string
function M.words(counts)
    local parts = {}
    for _, operation in ipairs(changes.operations) do
        local count = counts[operation.name]
        if count then
            parts[#parts + 1] = text.count(count.done, operation.noun)
                .. (count.failed > 0 and (" (%d failed)"):format(count.failed) or "")
        end
    end
    return #parts > 0 and table.concat(parts, ", ") or "nothing"
end

-- ---- reading ----------------------------------------------------------------------------------------------

-- "begun" is all that is known of one on another machine that has not ended.
local function state_of(run)
    if run.ended then return ended.state(run.status) end
    if run.host ~= host.machine() then return "begun" end
    return ended.state(nil, beginning_of(run.pid) == run.process)
end

local texts = {
    "id", "user", "host", "command", "version?", "process?", "directory?", "runbook?", "account?", "endpoint?",
    "profile?", "cluster?", "job?", "reason?", "problem?",
}

local longest <const> = 253402300799 -- seconds: the end of the year 9999

local function is_time(value)
    return type(value) == "number" and value >= 0 and value <= longest
end

local function has_texts(run)
    for _, name in ipairs(texts) do
        local value = run[name:match("%a+")]
        if type(value) ~= "string" and not (value == nil and name:find("?", 1, true)) then
            return false
        end
    end
    return true
end

local function is_count(count)
    return type(count) == "table" and math.type(count.done) == "integer" and math.type(count.failed) == "integer"
end

-- What another hand has written into the file is left out, and not stumbled over.
local function is_run(run)
    if type(run) ~= "table" or type(run.changes) ~= "table" or type(run.arguments) ~= "table" then
        return false
    end
    for _, count in pairs(run.changes) do
        if not is_count(count) then return false end
    end
    for _, word in ipairs(run.arguments) do
        if type(word) ~= "string" then return false end
    end
    local can_be_told = is_time(run.ended) and math.type(run.status) == "integer"
        or run.ended == nil and math.type(run.pid) == "integer"
    return is_time(run.began) and can_be_told and has_texts(run)
end

local function read_into(runs, path)
    local spoiled = 0
    for line in content_of(path):gmatch("[^\n]+") do
        local run = json.decode(line)
        if is_run(run) then
            run.state = state_of(run)
            json.array(run.arguments)
            runs[#runs + 1] = run
        else
            spoiled = spoiled + 1
        end
    end
    if spoiled > 0 then
        log.warn("%s: %s cannot be read, and left out", path, text.count(spoiled, "line"))
    end
end

--- All runs that are known, the oldest first.
---@return kmirror.history.run[] with a `state` each
function M.all()
    local directory, runs = state.path(), {}
    local wrong = directory and is_no_file(path_in(directory))
    if wrong then
        log.warn("%s", wrong)
    elseif directory then
        make_way(directory)
        read_into(runs, path_in(directory) .. ".1")
        read_into(runs, path_in(directory))
    end
    table.sort(runs, function(a, b) return a.began < b.began end)
    return runs
end

--- Where what is typed at the prompt is kept.
---@param directory string of kmirror's state
---@return string path
function M.of_prompt(directory)
    make_way(directory)
    return directory .. "/prompt-history"
end

-- ---- the run that goes on ---------------------------------------------------------------------------------

--- Has all changes from here on counted by a recorder.
---@param recorder kmirror.history.recorder
function M.watch(recorder)
    mirrors.watch(function(operation, send) return recorder:send(operation, send) end)
end

return M

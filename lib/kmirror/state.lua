--- state: where kmirror keeps what outlives a run: `$XDG_STATE_HOME/kmirror` (`~/.local/state/kmirror`).

local host = require("host")

local M = {}

--- Where it is, be it there or not. A relative XDG_STATE_HOME counts for nothing, as its specification says.
---@return string|nil path nil when there is no home to keep anything in
function M.path()
    local base, home = os.getenv("XDG_STATE_HOME") or "", os.getenv("HOME") or ""
    if base:sub(1, 1) == "/" then return base .. "/kmirror" end
    return home ~= "" and home .. "/.local/state/kmirror" or nil
end

--- The directory, made when it is not there, for its owner alone.
---@return string|nil path
---@return string|nil problem why it cannot be used
function M.directory()
    local path = M.path()
    if not path then return nil, "neither XDG_STATE_HOME nor HOME is set" end
    local ok, problem = host.make_directory(path)
    return ok and path, problem
end

--- The file through which all processes of this user on this machine share one account's quota; nil when there is
--- no place for it: then each process counts for itself.
---@param endpoint string
---@param username string
---@return string|nil path
---@return string|nil problem why there is none, unless there is no home at all
function M.quota_file(endpoint, username)
    if not M.path() then return nil end
    local directory, problem = M.directory()
    if not directory then return nil, problem end
    return ("%s/quota-%s"):format(directory, host.hmac_sha256("quota", endpoint .. "\n" .. username):sub(1, 16))
end

return M

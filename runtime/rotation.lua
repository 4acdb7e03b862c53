-- rotation: an API key that is replaced while a run goes on. After a 401 it is read again from where it came from, but
-- once: what was read again and has not been accepted is not read once more.
local native = ...

local rotation = {}

---@class mirrors.Login
---@field key string
---@field before? string  the key that this one has replaced
local Login = {}
Login.__index = Login

---What an account signs in with.
---@param account table  its `native` is replaced with the key
---@param options table  with the key, and with `renew_key` where it can be read again
---@return mirrors.Login
function rotation.login(account, options)
    local proxy = options.proxy -- its URL may hold a password, and does not stay among the options
    local login = setmetatable({ key = options.api_key, account = account, read = options.renew_key }, Login)
    function login.sign(key)
        local signed = setmetatable({ api_key = key, proxy = proxy }, { __index = options })
        account.native = native.account(signed, account.governor)
    end
    return login
end

-- Reads the key once more. Returns why the account goes on with the one that it has.
local function read_again(login)
    login.account.unproved = true -- until an answer comes that is not a 401
    local ok, key = pcall(login.read)
    if not ok then
        return ("the key could not be read again: %s"):format(type(key) == "table" and key.message or tostring(key))
    elseif key == login.key then
        return "the key was read again, and is the same"
    end
    login.before, login.key = login.key, key
    login.sign(key)
end

---After a 401: takes another key where there is one. A call does so once.
---@param call table
---@param e mirrors.Error  gets what was found, where the call must fail
---@return boolean renewed  the call is prepared anew
---@return boolean read  for that the key was read
function Login:renew(call, e)
    if not self.read or not call.request or call.renewed then return false, false end
    call.renewed = true
    local is_news = call.signed == self.account.native -- else another call has read it meanwhile
    local problem = is_news and (self.account.unproved and "the key was read again before, and is not accepted"
        or read_again(self))
    if problem then
        e.message = ("%s; %s"):format(e.message, problem)
        return false, false
    end
    call.signed = self.account.native
    call.native = call.request.prepare(self.account, call.cluster, call.id, call.argument)
    return true, is_news
end

return rotation

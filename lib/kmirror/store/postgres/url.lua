--- store.postgres.url: looks at the URL of a store in PostgreSQL. libpq understands it; only that it holds no password
--- is for kmirror to see to: an argument is in the list of processes, and a URL in records, messages and reports.

local postgres = require("postgres")
local refuse = require("kmirror.usage")

local secret = { "password", "sslpassword" }

-- Also where libpq is not there, or does not understand the rest: a password is often not percent-encoded, so it may
-- hold what ends the authority of a URL.
local function seems_to_hold_one(url)
    local before_query = url:match("^%a+://([^?]*)") or ""
    return before_query:find("^[^@]*:.*@") ~= nil or url:lower():find("password%s*=") ~= nil
end

local function refuse_password()
    refuse("the store's URL holds a password, which others would see in the list of processes and in records: take "
        .. "it out, and change it; libpq takes it from ~/.pgpass, PGPASSWORD or a service file")
end

--- Raises usage for one that holds a password, or is none that libpq understands.
---@param url string
---@return string url
return function(url)
    if seems_to_hold_one(url) then
        refuse_password()
    elseif url:find("%c") then
        refuse("the store's URL is not printable: expected postgresql://HOST/DATABASE")
    end
    local options, problem = postgres.parse(url)
    if not options then
        refuse("the store's URL cannot be used: %s: expected postgresql://USER@HOST:PORT/DATABASE", problem.message)
    end
    for _, name in ipairs(secret) do
        if options[name] then refuse_password() end
    end
    return url
end

-- failure: what an error object of the mirrors module says beside its status: what the API told, a hint, and no secret.
local secret = ...

-- ---- what the API told ----

local LONGEST_MESSAGE <const> = 400

local function text_of(value)
    return type(value) == "string" and value ~= "" and value or nil
end

-- One of v2's errors: {name, message}, or a text.
local function line_of(each)
    if type(each) ~= "table" then return text_of(each) end
    local name, message = text_of(each.name), text_of(each.message) or text_of(each.error)
    return name and message and name .. ": " .. message or message or name
end

-- v2's `errors`: a list, or an object of fields and what is wrong with them.
local function lines_of(errors)
    local lines = {}
    for _, each in ipairs(errors) do lines[#lines + 1] = line_of(each) end
    if #lines > 0 then return lines end
    for name, each in pairs(errors) do
        local line = line_of(each)
        lines[#lines + 1] = line and ("%s: %s"):format(name, line)
    end
    table.sort(lines)
    return lines
end

-- v1 answers with message, errorDetails, code and link; v2 with errors or error.
local function take(e, told)
    if type(told) ~= "table" then return end
    local message = text_of(told.message) or line_of(told.error)
    if not message and type(told.errors) == "table" then
        message = text_of(table.concat(lines_of(told.errors), "; "))
    end
    if message then e.message = message:sub(1, LONGEST_MESSAGE) end
    if type(told.code) == "number" then e.code = told.code end
    local details = told.errorDetails or told.errors
    if type(details) == "table" then e.details = details end
    e.link = text_of(told.link)
end

-- ---- the other version of the API ----

local other_of = { v1 = "v2", v2 = "v1" }

-- Does an answer's JSON say something in the words of that version: of a cluster or a mirror that there is none of?
-- What routes requests tells of their path.
local own_words = {
    v1 = function(told) return text_of(told.message) end,
    v2 = function(told) return told.errors or told.error end,
}

local function is_of_this_version(version, told)
    return type(told) == "table" and own_words[version](told) and told.path == nil
end

-- Statuses of what was not looked for where it is: a 404 is one unless the API itself says what there is none of.
local smells = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true, [405] = true, [410] = true }

-- The other version, where the endpoint does not seem to have this one's paths.
local function other_version(call, e, told)
    local options = call.account.options
    local version = options.apis and options.apis[call.cluster] or options.api
    local smelt = smells[e.status] or e.status == 404 and not is_of_this_version(version, told)
    return smelt and other_of[version] or nil
end

-- ---- what to do ----

-- What to do about it, where that is known.
local hints = {
    unauthorized = "check KMIRROR_USERNAME and KMIRROR_API_KEY: it takes a provisioning API key",
    tls = "is the endpoint right? A private CA goes into ca_file, --ca-file or SSL_CERT_FILE",
}

local OTHER_API <const> = "%s this endpoint speak %s of the API only? Try --api %s, or KMIRROR_API=%s; kmirror doctor "
    .. "asks for both"

local function hint_for(e, options)
    local proxied = options.proxied
    if e.other_api and e.status ~= 404 then
        return OTHER_API:format("does", e.other_api, e.other_api, e.other_api)
    elseif e.kind == "forbidden" and e.operation ~= "list" and e.operation ~= "get" then
        return not e.message:find("read-only", 1, true) and "is the API key read-only?" or nil
    elseif e.kind == "not_found" then
        local hint = e.id and "is it on this cluster, and not deleted yet?"
            or "is this the id of the Kafka Connect cluster, not of the Kafka cluster?"
        return e.other_api and ("%s %s"):format(hint, OTHER_API:format("Or does", e.other_api, e.other_api,
            e.other_api)) or hint
    elseif e.kind == "rate_limited" then
        return options.rate == "auto" and "that is how --rate auto finds the limit; or another client uses this account"
            or "another client uses this account, or its limit is lower: try a lower rate, or --rate auto"
    elseif e.kind == "transport" and not e.status and proxied then
        return ("is the proxy of %s right, and are it and the endpoint within reach?"):format(proxied)
    elseif e.kind == "transport" and not e.status then
        return "is the endpoint right and within reach?"
    end
    return hints[e.kind]
end

-- ---- no secrets ----

local function hide_all(value, secrets)
    if type(value) == "string" then return secret.hide(value, secrets) end
    if type(value) == "table" then
        for key, inner in pairs(value) do value[key] = hide_all(inner, secrets) end
    end
    return value
end

local function secrets_in(properties)
    local secrets = { properties }
    for value in properties:gmatch("[=:]%s*([^\r\n]+)") do secrets[#secrets + 1] = value end
    for value in properties:gmatch("=%s*\"([^\"]+)\"") do secrets[#secrets + 1] = value end
    for value in properties:gmatch("=%s*'([^']+)'") do secrets[#secrets + 1] = value end
    return secrets
end

-- The client properties that a call may send.
local function properties_of(account, spec)
    local texts = { spec and spec.sourceConnectionProperties }
    for _, cluster in pairs(account.options.clusters or {}) do texts[#texts + 1] = cluster.kafka end
    return texts
end

local function secrets_of(account, spec)
    local secrets = { account.secret() }
    for _, properties in ipairs(properties_of(account, spec)) do
        local more = type(properties) == "string" and secrets_in(properties) or {}
        table.move(more, 1, #more, #secrets + 1, secrets)
    end
    return secrets
end

---Completes the error object of a call's last attempt.
---@param call table
---@param e mirrors.Error
---@param told any  the answer's JSON
---@return mirrors.Error
return function(call, e, told)
    take(e, told)
    e.operation, e.cluster, e.id, e.attempts = call.operation, call.cluster, call.id, call.attempts
    local own_hints = call.backend.hints
    e.other_api = not own_hints and other_version(call, e, told) or nil
    local secrets = secrets_of(call.account, call.spec)
    e.message, e.details = secret.hide(e.message, secrets), hide_all(e.details, secrets)
    local hint = own_hints and own_hints[e.kind] or hint_for(e, call.account.options)
    if hint then e.message = ("%s (%s)"):format(e.message, hint) end
    return e
end

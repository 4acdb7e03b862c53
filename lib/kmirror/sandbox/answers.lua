--- What answers of the sandbox are made of, whichever version of the API they belong to.

local cjson = require("cjson")

local answers = {}

--- cjson writes every empty table as {}; these fields are arrays.
local EMPTY_ARRAYS = {
    mirrors = '"mirrors":[]', topicStatuses = '"topicStatuses":[]', mirroredTopics = '"mirroredTopics":[]',
    connectors = '"connectors":[]',
}

--- An answer with a body of JSON.
---@param status integer
---@param body table
---@return kmirror.sandbox.answer
function answers.json(status, body)
    return {
        status = status,
        headers = { ["Content-Type"] = "application/json" },
        body = (cjson.encode(body):gsub('"(%a+)":{}', EMPTY_ARRAYS)),
    }
end

--- 204.
---@return kmirror.sandbox.answer
function answers.no_content()
    return { status = 204, headers = {}, body = "" }
end

--- A message quotes what came, and that may be any bytes.
---@param message string
---@return string
function answers.printable(message)
    return (message:gsub("[^\x20-\x7e]", "?"))
end

return answers

--- store.place: where a store is, for those who must not make one by looking.

local state = require("kmirror.state")

--- The file of the store that a URL names; nil when it is no file, or there is no place for one.
---@param url? string as for kmirror.store.open
---@return string|nil path
return function(url)
    url = url or os.getenv("KMIRROR_STORE") or ""
    if url ~= "" then
        local scheme, rest = url:match("^(%a[%w+.-]*):(.*)$")
        if not scheme then
            return url
        end
        return scheme:lower() == "sqlite" and rest:gsub("^//(/)", "%1") or nil
    end
    local directory = state.path()
    return directory and directory .. "/jobs.db"
end

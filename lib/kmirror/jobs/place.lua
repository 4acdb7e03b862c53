--- jobs.place: which store of jobs a command line means that starts no run itself.

local config = require("kmirror.config")
local jobs = require("kmirror.jobs")

local function variable(name)
    local value = os.getenv(name)
    return value ~= "" and value or nil
end

local function named(given)
    local url = given.store or variable("KMIRROR_STORE")
    if url or given.sandbox then
        return url
    end
    local _, profile = config.choose(given.profile or variable("KMIRROR_PROFILE"))
    return profile.store
end

--- An option, else the environment, else the profile. The sandbox knows of no profile: a job of it that is known by
--- name is where it left it.
---@param given { store: string|nil, profile: string|nil, sandbox: boolean|nil }
---@param job? string its name
---@return string|nil url nil: the one among the user's state
---Raises usage when the configuration file is wrong.
return function(given, job)
    local url = named(given)
    local elsewhere = url and job and not given.store and not jobs.knows(job, url) and jobs.knows(job)
    return not elsewhere and url or nil
end

-- mirrors COUNT: a list of that many mirrors, as the API gives it.
local count = math.tointeger((...))
local mirrors = {}
for i = 1, count do
    mirrors[i] = ('{"id":"5a9b1c52-0000-4000-8000-%012x","connectorName":"us-west.us-east.%012d",'
        .. [["topicsRegex":"team%06d\\..*"}]]):format(i, i, i)
end
print('{"mirrors":[' .. table.concat(mirrors, ",") .. "]}")

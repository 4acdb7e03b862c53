-- fleet.lua COUNT: a fleet file of so many mirrors that the sandbox can make.
local count = math.tointeger((...))
print "return { mirrors = {"
for i = 1, count do
    print(([[{ to = "5a9b1c52-0000-4000-8000-0000000000c2", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001",
        sourceAlias = "us-west", useRenaming = true, usePrivateIps = false, maxTasks = 3,
        topicsRegex = "topic%d\\..*" },]]):format(i))
end
print "} }"

#!/bin/bash
# rig: two regions of a real Kafka on loopback, each a broker (KRaft) and a Kafka Connect worker with MirrorMaker.
#   rig.sh start | stop | status      start waits until both workers answer; all of it is in build/kafka
#   rig.sh worker REGION start|stop|kill      one Connect worker alone
#   rig.sh broker REGION start|stop|kill
# A third region, north, is of an older version of Kafka, and is started by these two.
set -eu
cd "$(dirname "$0")/../.."
home=$PWD/build/kafka
run=$home/run
NEEDED_MB=2600 # what the four take, about

# Ports: the broker, its controller, its Connect worker, its worker's metrics; none that the system gives to whoever
# connects, from 32768 on. And where its version is.
ports() {
    libs=$home/libs
    case $1 in
    north) broker=17092 controller=17093 connect=17083 metrics=17778 libs=$home/old ;;
    east) broker=19092 controller=19093 connect=18083 metrics=18778 ;;
    west) broker=29092 controller=29093 connect=28083 metrics=28778 ;;
    *) echo "rig.sh: a region is east, west or north, not $1" >&2; exit 2 ;;
    esac
}

alive() { [ -s "$run/$1.pid" ] && kill -0 "$(cat "$run/$1.pid")" 2> /dev/null; }

# java_main NAME HEAP EXTRA CLASS ARGUMENT...: in the background, its process in NAME.pid, what it says in NAME.log.
java_main() {
    local name=$1 heap=$2 extra=$3
    shift 3
    alive "$name" && return
    # shellcheck disable=SC2086 # extra is none or several
    setsid nohup java "-Xmx$heap" "-Xms128m" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto $extra \
        -Dlog4j2.configurationFile="$home/log4j2.properties" -cp "$libs/*" "$@" \
        > "$run/$name.log" 2>&1 < /dev/null &
    echo $! > "$run/$name.pid"
}

# end NAME SIGNAL: and wait until it is gone.
end() {
    alive "$1" || { rm -f "$run/$1.pid"; return 0; }
    local pid
    pid=$(cat "$run/$1.pid")
    kill "-$2" "$pid"
    for _ in $(seq 300); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
    kill -0 "$pid" 2> /dev/null && kill -KILL "$pid"
    rm -f "$run/$1.pid"
}

start_broker() {
    ports "$1"
    local data=$run/$1-broker
    mkdir -p "$data"
    cat > "$run/$1-broker.properties" << EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$broker,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$broker
controller.listener.names=CONTROLLER
log.dirs=$data
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
min.insync.replicas=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
auto.create.topics.enable=false
EOF
    if [ ! -e "$data/meta.properties" ]; then
        java -XX:TieredStopAtLevel=1 -cp "$libs/*" -Dlog4j2.configurationFile="$home/log4j2.properties" \
            kafka.tools.StorageTool format -t "$(printf '%-22s' "kmirror-$1" | tr ' ' A)" \
            -c "$run/$1-broker.properties" > "$run/$1-format.log" 2>&1
    fi
    java_main "$1-broker" 384m "" kafka.Kafka "$run/$1-broker.properties"
}

# A checkpoint task was never seen to end when it is told to, and each rebalance that stops one waits for it as long
# as task.shutdown.graceful.timeout.ms, five seconds by default. Source tasks end within 50 ms.
start_worker() {
    ports "$1"
    cat > "$run/$1-worker.properties" << EOF
bootstrap.servers=127.0.0.1:$broker
group.id=connect-$1
listeners=http://127.0.0.1:$connect
rest.advertised.host.name=127.0.0.1
rest.advertised.port=$connect
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
config.storage.topic=connect-configs
offset.storage.topic=connect-offsets
status.storage.topic=connect-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
offset.storage.partitions=1
status.storage.replication.factor=1
status.storage.partitions=1
offset.flush.interval.ms=1000
scheduled.rebalance.max.delay.ms=0
task.shutdown.graceful.timeout.ms=1000
plugin.discovery=service_load
EOF
    java_main "$1-worker" 512m "-javaagent:$home/jolokia.jar=port=$metrics,host=127.0.0.1,discoveryEnabled=false" \
        org.apache.kafka.connect.cli.ConnectDistributed "$run/$1-worker.properties"
}

# answers URL NAME: waits until it does, or says what NAME's log ends with.
answers() {
    for _ in $(seq 240); do
        curl -fs -o "$run/answer" "$1" && return 0
        alive "$2" || break
        sleep 0.5
    done
    { echo "rig.sh: $2 does not answer at $1; its log ends with:"; tail -n 15 "$run/$2.log"; } >&2
    exit 1
}

ready() {
    ports "$1"
    answers "http://127.0.0.1:$connect/connectors" "$1-worker"
}

enough_memory() {
    local free
    free=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
    [ "$free" -ge $NEEDED_MB ] && return
    echo "rig.sh: a real Kafka takes about $NEEDED_MB MB of memory, and $free MB are free: end something, or use another machine" >&2
    exit 1
}

# Another checkout may have its own rig: the specs of both would take each other's connectors away.
free_ports() {
    local region part port
    for region in east west; do
        ports $region
        for part in broker worker; do
            port=$broker
            [ $part = broker ] || port=$connect
            alive $region-$part && continue
            if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
                echo "rig.sh: something else listens at port $port, such as the rig of another checkout: end that first" >&2
                exit 1
            fi
        done
    done
}

start() {
    [ -d "$home/libs" ] || { echo "rig.sh: there is no Kafka in build/kafka: run \`make kafka\` first" >&2; exit 1; }
    enough_memory
    free_ports
    mkdir -p "$run"
    cp "$(dirname "$0")/log4j2.properties" "$home/" 2> /dev/null || cp spec/kafka/log4j2.properties "$home/"
    start_broker east & start_broker west & wait
    start_worker east
    start_worker west
    ready east
    ready west
}

stop() {
    for part in east-worker west-worker north-worker; do end "$part" TERM & done
    wait
    for part in east-broker west-broker north-broker; do end "$part" TERM & done
    wait
    rm -rf "$run"
}

status() {
    for part in east-broker west-broker east-worker west-worker; do
        if alive "$part"; then
            echo "$part: process $(cat "$run/$part.pid"), $(awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$(cat "$run/$part.pid")/status") MB"
        else
            echo "$part: not running"
        fi
    done
}

# `make test-kafka` fetches the older version while other specs run.
fetched() {
    for _ in $(seq 600); do [ -e "$home/old.xml" ] && return 0; sleep 0.5; done
    echo "rig.sh: the older version of Kafka is not in build/kafka/old: run \`make kafka-old\` first" >&2
    exit 1
}

# one WORKER|BROKER REGION ACTION
one() {
    ports "$2"
    [ "$2" != north ] || fetched
    case $3 in
    start) "start_$1" "$2"; [ "$1" = broker ] || ready "$2" ;;
    stop) end "$2-$1" TERM ;;
    kill) end "$2-$1" KILL ;;
    *) echo "rig.sh: expected start, stop or kill, got $3" >&2; exit 2 ;;
    esac
}

case ${1:-} in
start | stop | status) "$1" ;;
worker | broker) one "$1" "${2:-}" "${3:-}" ;;
*) sed -n '2,6s/^# *//p' "$0" >&2; exit 2 ;;
esac

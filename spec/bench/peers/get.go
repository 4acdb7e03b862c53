// get URL COUNT CONNECTIONS: gets, decoded, with net/http and encoding/json.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

type topic struct {
	Name           string  `json:"name"`
	AverageLatency int     `json:"averageLatency"`
	AverageRate    float64 `json:"averageRate"`
}

type mirror struct {
	ID               string  `json:"id"`
	Status           string  `json:"status"`
	ConnectorName    string  `json:"connectorName"`
	TargetLatency    int     `json:"targetLatency"`
	TopicsRegex      string  `json:"topicsRegex"`
	MirrorStatus     string  `json:"mirrorStatus"`
	CheckpointStatus string  `json:"checkpointStatus"`
	TopicStatuses    []topic `json:"topicStatuses"`
}

func get(client *http.Client, url, user, password string) (m mirror, err error) {
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return m, err
	}
	request.SetBasicAuth(user, password)
	response, err := client.Do(request)
	if err != nil {
		return m, err
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		return m, fmt.Errorf("status %d", response.StatusCode)
	}
	body, err := io.ReadAll(response.Body)
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	return m, err
}

func main() {
	url := os.Args[1]
	count, _ := strconv.Atoi(os.Args[2])
	connections, _ := strconv.Atoi(os.Args[3])
	user, password, _ := strings.Cut(os.Getenv("BENCH_USER"), ":")
	client := &http.Client{Transport: &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections}}

	left := int64(count)
	var workers sync.WaitGroup
	began := time.Now()
	for i := 0; i < connections; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for atomic.AddInt64(&left, -1) >= 0 {
				if m, err := get(client, url, user, password); err != nil || m.ID == "" {
					fmt.Fprintln(os.Stderr, "get.go:", err)
					os.Exit(1)
				}
			}
		}()
	}
	workers.Wait()
	fmt.Printf("seconds %.6f\n", time.Since(began).Seconds())
}

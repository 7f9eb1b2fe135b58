// Imports a profile with Go's standard library: retries that can do no harm, and a clear error.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"time"
)

const attempts = 6

type answer struct {
	Error     int    `json:"error"`
	ErrorText string `json:"error_text"`
	ProfileID string `json:"profile_id"`
	ImportID  string `json:"import_id"`
}

var client = http.Client{Timeout: 30 * time.Second}

// importProfile returns the profile's id, or the import's where it waits. key names this
// import and is the same at every attempt, so that it is applied once.
func importProfile(document map[string]any, key string) (string, error) {
	body, err := json.Marshal(document)
	if err != nil {
		return "", err
	}
	for attempt := 1; ; attempt++ {
		said, retryAfter, err := send(body, key)
		if err == nil && said.Error != 0 {
			return "", fmt.Errorf("%d: %s", said.Error, said.ErrorText)
		}
		if err == nil && said.ProfileID != "" {
			return said.ProfileID, nil
		}
		if err == nil {
			// 202: it is safe and will be applied; GET its Location for the receipt.
			return said.ImportID, nil
		}
		if attempt == attempts {
			return "", err
		}
		pause := time.Duration((0.5 + rand.Float64()/2) * float64(int(1)<<attempt) / 4 * float64(time.Second))
		if pause < retryAfter {
			pause = retryAfter
		}
		time.Sleep(pause)
	}
}

// send makes one attempt; an error of it may pass, and tells how long to wait.
func send(body []byte, key string) (said answer, retryAfter time.Duration, err error) {
	request, err := http.NewRequest("POST", os.Getenv("PENSTOCK_URL")+"/api/v1.1/profiles/import", bytes.NewReader(body))
	if err != nil {
		return said, 0, err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("PENSTOCK_TOKEN"))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	response, err := client.Do(request)
	if err != nil {
		return said, 0, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= 500 {
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return said, time.Duration(seconds) * time.Second, fmt.Errorf("HTTP %d", response.StatusCode)
	}
	return said, 0, json.NewDecoder(response.Body).Decode(&said)
}

func main() {
	database, err := strconv.Atoi(os.Getenv("PENSTOCK_DB"))
	if err != nil {
		database = 1
	}
	profileID, err := importProfile(map[string]any{
		"db_id": database,
		"email": "ada@example.com",
		"data": map[string]any{
			"_fname": "Ada",
			"points": map[string]any{"action": "incr", "value": 10},
		},
	}, "order-1017")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(profileID)
}

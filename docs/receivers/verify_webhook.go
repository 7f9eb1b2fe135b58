// Verifies an event of Penstock with Go's standard library, and prints it.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

const tolerance = 5 * time.Minute

// verify says whether body, as it was received, is from Penstock, and recent.
func verify(secret, messageID, timestamp, signatures string, body []byte) bool {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return false
	}
	// A message that somebody recorded is not accepted later.
	age := time.Since(time.Unix(seconds, 0))
	if age > tolerance || age < -tolerance {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", messageID, timestamp)
	mac.Write(body)
	expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	// Several, while a secret is replaced.
	for _, signature := range strings.Fields(signatures) {
		if hmac.Equal(expected, []byte(signature)) {
			return true
		}
	}
	return false
}

type event struct {
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
}

// listEvents returns the events of a message, which may be a batch.
func listEvents(body []byte) ([]event, error) {
	var message event
	if err := json.Unmarshal(body, &message); err != nil {
		return nil, err
	}
	if message.Type != "batch" {
		return []event{message}, nil
	}
	var events []event
	err := json.Unmarshal(message.Data, &events)
	return events, err
}

func main() {
	// A server has these from the headers of a POST: webhook-id, webhook-timestamp, and
	// webhook-signature.
	body, err := io.ReadAll(os.Stdin)
	if err != nil || !verify(os.Getenv("WEBHOOK_SECRET"), os.Getenv("WEBHOOK_ID"), os.Getenv("WEBHOOK_TIMESTAMP"), os.Getenv("WEBHOOK_SIGNATURE"), body) {
		fmt.Fprintln(os.Stderr, "Refused: answer 400")
		os.Exit(1)
	}
	events, err := listEvents(body)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, each := range events {
		var ids struct {
			EventID string `json:"event_id"`
		}
		if err := json.Unmarshal(each.Data, &ids); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(each.Type, ids.EventID)
	}
}

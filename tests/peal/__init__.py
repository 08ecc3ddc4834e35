"""What the black-box tests speak Peal with: clients that check every request, reply and frame against docs/openapi.yaml and
docs/asyncapi.yaml, and a device that follows the client rule of the socket to the letter."""

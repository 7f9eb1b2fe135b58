"""Commands that apply imports themselves, one module a command."""

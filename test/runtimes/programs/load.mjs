// Loads all there is, which asks for nothing: no file, no variable, no interface, no home.
import { Keypair, Router } from "sidewire";
import { FileHintStore, ntpClock } from "sidewire/node";

const names = [Router, Keypair, FileHintStore, ntpClock].map(({ name }) => name);
console.log(`LOADED ${names}`);

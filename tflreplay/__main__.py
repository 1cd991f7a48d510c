from tflreplay.cli import main

main()

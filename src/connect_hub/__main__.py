from connect_hub.cli import main

main()
